/** Added to a variance before its root is taken, in batch and group norm (PyTorch's default). */
export const normEpsilon = 1e-5;
/** Weight of a batch's statistics in the updated running statistics (PyTorch's default). */
export const normMomentum = 0.1;

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
 * The published UNet's tensors in the order of the published checkpoints: inc, down1…, up1…, outc. Conv weights are [out, in, 3], transposed-conv weights [in, out, 2], as in PyTorch.
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

/** A norm's own tensors have one dimension and stand right behind a convolution's weight and bias. */
const fanIn = ({ shape, name }: Slot): number => {
  const [, second, ...kernel] = shape;
  const window = kernel.reduce((a, b) => a * b, 1);
  if (shape.length < 2) throw new Error(`initialise: ${name} is no weight`);
  // PyTorch counts size(1)·window for every layer: for a transposed convolution, [in, out, k], that is out·k
  return second * window;
};

/**
 * Fresh parameters as PyTorch's defaults give them: weights and biases of convolutions and transposed convolutions
 * uniform in ±1/√fan_in (`kaiming_uniform_(a=√5)`; `torch/nn/modules/conv.py: reset_parameters`), norms γ = 1, β = 0.
 *
 * @param random uniform in [0, 1); drawn once per value, in the order of the layout
 * @param options.zeroLast zeros in the last convolution (`outc`), so that a fresh UNet corrects nothing
 */
export const initialise = (
  layout: Layout,
  random: () => number,
  options: { zeroLast?: boolean } = {},
): Float32Array => {
  const theta = new Float32Array(layout.parameterCount);
  let bound = 0;
  for (const [index, slot] of layout.parameters.entries()) {
    const values = theta.subarray(slot.offset, slot.offset + slot.size);
    if (slot.shape.length > 1) {
      bound = 1 / Math.sqrt(fanIn(slot));
      for (let i = 0; i < values.length; i++) values[i] = (2 * random() - 1) * bound;
    } else if (slot.name.endsWith('.weight')) values.fill(1);
    else if (layout.parameters[index - 1].shape.length > 1)
      for (let i = 0; i < values.length; i++) values[i] = (2 * random() - 1) * bound;
    if (options.zeroLast && slot.name.startsWith('unet.outc.')) values.fill(0);
  }
  return theta;
};

/** Running statistics before the first batch: means 0, variances 1. */
export const initialRunning = (layout: Layout): Float32Array => {
  const running = new Float32Array(layout.runningCount);
  for (const { name, offset, size } of layout.running)
    if (name.endsWith('.running_var')) running.fill(1, offset, offset + size);
  return running;
};

/**
 * Moves the running statistics of a channel towards those of a batch, in place, as PyTorch does: the biased variance
 * normalises, the unbiased one is kept.
 *
 * @param running mean [channels], variance [channels]
 * @param count values that the batch's mean and biased `variance` are of
 */
export const moveRunning = (
  running: Float32Array,
  channel: number,
  channels: number,
  mean: number,
  variance: number,
  count: number,
): void => {
  const unbiased = (variance * count) / Math.max(count - 1, 1);
  const at = channels + channel;
  running[channel] = (1 - normMomentum) * running[channel] + normMomentum * mean;
  running[at] = (1 - normMomentum) * running[at] + normMomentum * unbiased;
};
