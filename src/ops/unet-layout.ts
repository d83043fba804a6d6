/** The shape of a 1-D UNet: `bands` histograms of `knots` bins in, `bands` × `knots` out. */
export interface UnetSpec {
  bands: number;
  knots: number;
  /** Channels of the first level, doubled at each of `depth` levels down. Published: 8 and 4. */
  width: number;
  depth: number;
  norm: 'batch' | 'group';
  /** Groups of every group norm (ignored for batch norm). */
  groups: number;
}

/** A named tensor inside a flat Float32Array. */
export interface Slot {
  /** As in the published checkpoint: `unet.inc.double_conv.0.weight`. */
  name: string;
  shape: readonly number[];
  offset: number;
  size: number;
}

/** Where each trainable tensor lies in the flat parameter vector, and each running statistic in its own. */
export interface Layout {
  parameters: Slot[];
  /** `running_mean` and `running_var` of each batch norm; empty with group norm. */
  running: Slot[];
  parameterCount: number;
  runningCount: number;
}

const product = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Appends slots one behind the other. */
export const slotWriter = () => {
  const slots: Slot[] = [];
  let offset = 0;
  return {
    slots,
    add: (name: string, ...shape: number[]): void => {
      slots.push({ name, shape, offset, size: product(shape) });
      offset += product(shape);
    },
    count: (): number => offset,
  };
};

/**
 * The published UNet's tensors in the published order (`fixtures/parity/reference/manifest.json`): inc, down1…,
 * up1…, outc. Conv weights are [out, in, 3], transposed-conv weights [in, out, 2], as in PyTorch.
 */
export const unetLayout = ({ bands, width, depth, norm }: UnetSpec): Layout => {
  const parameters = slotWriter();
  const running = slotWriter();
  const conv = (name: string, input: number, output: number): void => {
    parameters.add(`${name}.weight`, output, input, 3);
    parameters.add(`${name}.bias`, output);
  };
  const normalise = (name: string, channels: number): void => {
    parameters.add(`${name}.weight`, channels);
    parameters.add(`${name}.bias`, channels);
    if (norm === 'group') return;
    running.add(`${name}.running_mean`, channels);
    running.add(`${name}.running_var`, channels);
  };
  const doubleConv = (name: string, input: number, output: number): void => {
    conv(`${name}.double_conv.0`, input, output);
    normalise(`${name}.double_conv.1`, output);
    conv(`${name}.double_conv.3`, output, output);
    normalise(`${name}.double_conv.4`, output);
  };
  const channels = (level: number): number => width * 2 ** level;
  doubleConv('unet.inc', bands, width);
  for (let level = 1; level <= depth; level++)
    doubleConv(`unet.down${level}.maxpool_conv.1`, channels(level - 1), channels(level));
  for (let step = 1; step <= depth; step++) {
    const level = depth - step;
    parameters.add(`unet.up${step}.up.weight`, channels(level + 1), channels(level), 2);
    parameters.add(`unet.up${step}.up.bias`, channels(level));
    doubleConv(`unet.up${step}.conv`, channels(level + 1), channels(level));
  }
  parameters.add('unet.outc.conv.weight', bands, width, 1);
  parameters.add('unet.outc.conv.bias', bands);
  return {
    parameters: parameters.slots,
    running: running.slots,
    parameterCount: parameters.count(),
    runningCount: running.count(),
  };
};

/** The conv module's tensors: a 3×3 convolution `bands` → `bands` and its batch norm. */
export const convLayout = (bands: number): Layout => {
  const parameters = slotWriter();
  const running = slotWriter();
  parameters.add('conv1.0.weight', bands, bands, 3, 3);
  parameters.add('conv1.0.bias', bands);
  parameters.add('conv1.1.weight', bands);
  parameters.add('conv1.1.bias', bands);
  running.add('conv1.1.running_mean', bands);
  running.add('conv1.1.running_var', bands);
  return {
    parameters: parameters.slots,
    running: running.slots,
    parameterCount: parameters.count(),
    runningCount: running.count(),
  };
};
