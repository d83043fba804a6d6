import { type Slot, type UnetSpec, unetLayout } from '../layout.js';
import { type Convolution, convolutionText, type Rows, upText } from './shaders/unet.js';
import { type Job, JobKind, type StatePlaces } from './shaders/update.js';

/** A kernel of the UNet: its text, and its workgroups for a batch. */
export interface UnetKernel {
  label: string;
  code: string;
  groups: (samples: number) => number;
}

/** The UNet's part of a step on the device. */
export interface UnetPlan {
  /** Vectors of the arena. */
  arena: number;
  state: StatePlaces;
  /** What the head reads: the last activation; and what it writes: the gradient by the output, sums of each LUT. */
  last: Rows;
  outGradient: Rows;
  sums: number;
  forward: UnetKernel[];
  backward: UnetKernel[];
  jobs: Job[];
}

const pad4 = (count: number): number => (count + 3) & ~3;

/** A convolution of 3 with its norm. */
interface ConvLayer {
  level: number;
  channels: number;
  /** Channels of each source. */
  input: number;
  sources: Rows[];
  weight: number;
  bias: number;
  gamma: number;
  beta: number;
  running: number;
  /** Of the norm: mean and inverse deviation; gradients by γ and β. */
  statistics: number;
  slopes: number;
  z: Rows;
  a: Rows;
  /** Gradient behind the ReLU, and by z. */
  da: Rows;
  dz: Rows;
}

/**
 * Lays out memory and kernels of a UNet for batches of at most `samples`.
 *
 * @param extra parameters and running statistics that stand behind the UNet's
 * @param threads of a workgroup, a power of two
 */
export const planUnet = (
  spec: UnetSpec,
  samples: number,
  threads: number,
  extra: { parameters: number; running: number },
): UnetPlan => {
  const { bands, knots, width, depth } = spec;
  const isGroup = spec.norm === 'group';
  const layout = unetLayout(spec);
  const offsets = new Map<string, number>(
    [...layout.parameters, ...layout.running].map(({ name, offset }: Slot) => [name, offset]),
  );
  const offset = (name: string): number => offsets.get(`unet.${name}`) ?? 0;
  const channels = (level: number): number => width << level;
  const length = (level: number): number => knots >> level;

  // state
  let floats = 0;
  const take = (count: number): number => {
    const at = floats;
    floats += pad4(count);
    return at;
  };
  const parameters = layout.parameterCount + extra.parameters;
  const runningCount = layout.runningCount + extra.running;
  const [theta, m, v, average] = [0, 0, 0, 0].map(() => take(parameters));
  const [running, moved] = [0, 0].map(() => take(runningCount));
  const halted = take(1);

  // arena; the first vector stays zero as those between rows do
  let vectors = 1;
  const rows = (count: number, positions: number, samplesOf = samples): Rows => {
    const quads = Math.ceil(positions / 4);
    const at = vectors;
    vectors += samplesOf * count * (quads + 2);
    return { at, channels: count, length: positions, quads, row: quads + 2 };
  };
  const input: Rows = { ...rows(bands, knots, 0), at: 0, isInput: true };

  const layers: ConvLayer[] = [];
  const convLayer = (name: string, index: number, level: number, sources: Rows[]): ConvLayer => {
    const count = channels(level);
    const own = (): Rows => rows(count, length(level));
    const dz = own();
    const layer: ConvLayer = {
      ...{ level, channels: count, input: sources[0].channels, sources },
      weight: offset(`${name}.double_conv.${index}.weight`),
      bias: offset(`${name}.double_conv.${index}.bias`),
      gamma: offset(`${name}.double_conv.${index + 1}.weight`),
      beta: offset(`${name}.double_conv.${index + 1}.bias`),
      running: offset(`${name}.double_conv.${index + 1}.running_mean`),
      statistics: take(2 * (isGroup ? samples * spec.groups : count)),
      slopes: take(2 * count),
      ...{ z: own(), a: own(), dz, da: isGroup ? own() : dz },
    };
    layers.push(layer);
    return layer;
  };
  const doubleConv = (name: string, level: number, sources: Rows[]): [ConvLayer, ConvLayer] => {
    const first = convLayer(name, 0, level, sources);
    return [first, convLayer(name, 3, level, [first.a])];
  };
  const pooled = Array.from({ length: depth }, (_, above) => rows(channels(above), length(above + 1)));
  const down = Array.from({ length: depth + 1 }, (_, level) =>
    level === 0
      ? doubleConv('inc', 0, [input])
      : doubleConv(`down${level}.maxpool_conv.1`, level, [pooled[level - 1]]),
  );
  const ups = Array.from({ length: depth }, (_, level) => rows(channels(level), length(level)));
  const skipGradients = Array.from({ length: depth }, (_, level) => rows(2 * channels(level), length(level)));
  const up: [ConvLayer, ConvLayer][] = [];
  for (let level = depth - 1; level >= 0; level--)
    up[level] = doubleConv(`up${depth - level}.conv`, level, [down[level][1].a, ups[level]]);
  const below = (level: number): ConvLayer => (level === depth ? down : up)[level][1];
  const outGradient = rows(bands, knots);
  const sums = vectors;
  vectors += samples * bands;
  // reads of the last row's neighbours stay within
  vectors += 2;

  const common = { threads, samples, norm: spec.norm, groups: spec.groups, running, moved };
  const byChannel = (count: number) => () => count;
  const normGroups = (layer: ConvLayer) =>
    isGroup ? (batch: number) => batch * spec.groups : byChannel(layer.channels);
  const normOf = ({ z, a, da, dz, bias, gamma, beta, running: at, statistics, slopes }: ConvLayer) => ({
    ...{ z, a, da, dz, bias, gamma, beta, statistics, slopes },
    running: running + at,
    moved: moved + at,
  });
  const forwardOf = (label: string, layer: ConvLayer, pool: Rows | null): UnetKernel => ({
    label,
    groups: normGroups(layer),
    code: convolutionText({
      ...common,
      sources: layer.sources,
      taps: 3,
      weight: (channel, j) =>
        `${layer.weight}u + (${channel} * ${layer.sources.length * layer.input}u + ${j}) * 3u`,
      turned: false,
      after: { kind: 'norm', norm: normOf(layer), pool },
    }),
  });
  /** The gradient that a convolution hands to its input, by channel of the input. */
  const throughConv = (layer: ConvLayer): Pick<Convolution, 'sources' | 'taps' | 'weight' | 'turned'> => ({
    sources: [layer.dz],
    taps: 3,
    weight: (channel, j) =>
      `${layer.weight}u + (${j} * ${layer.sources.length * layer.input}u + ${channel}) * 3u`,
    turned: true,
  });
  const backwardOf = (
    label: string,
    layer: ConvLayer,
    from: Pick<Convolution, 'sources' | 'taps' | 'weight' | 'turned'>,
    pooledInto: Rows | null = null,
  ): UnetKernel => ({
    label,
    groups: normGroups(layer),
    code: convolutionText({
      ...common,
      ...from,
      after: { kind: 'slope', norm: normOf(layer), skip: pooledInto },
    }),
  });

  // forward
  const forward: UnetKernel[] = [];
  for (const [level, [first, second]] of down.entries())
    forward.push(
      forwardOf(`down ${level} a`, first, null),
      forwardOf(`down ${level} b`, second, level < depth ? pooled[level] : null),
    );
  for (let level = depth - 1; level >= 0; level--) {
    const weight = offset(`up${depth - level}.up.weight`);
    const bias = offset(`up${depth - level}.up.bias`);
    forward.push(
      {
        label: `up ${level}`,
        groups: byChannel(channels(level)),
        code: upText({ ...common, source: below(level + 1).a, out: ups[level], weight, bias }),
      },
      forwardOf(`up ${level} a`, up[level][0], null),
      forwardOf(`up ${level} b`, up[level][1], null),
    );
  }

  // backward
  const backward: UnetKernel[] = [];
  const pointWeight = offset('outc.conv.weight');
  for (let level = 0; level <= depth; level++) {
    const [first, second] = level < depth ? up[level] : down[depth];
    const upWeight = level > 0 ? offset(`up${depth - level + 1}.up.weight`) : 0;
    const above: Pick<Convolution, 'sources' | 'taps' | 'weight' | 'turned'> =
      level === 0
        ? {
            sources: [outGradient],
            taps: 1,
            weight: (channel, j) => `${pointWeight}u + ${j} * ${width}u + ${channel}`,
            turned: false,
          }
        : {
            sources: [{ ...skipGradients[level - 1], half: true }],
            taps: 2,
            weight: (channel, j) => `${upWeight}u + (${channel} * ${channels(level - 1)}u + ${j}) * 2u`,
            turned: false,
          };
    const name = level < depth ? 'up' : 'down';
    backward.push(
      backwardOf(`${name} ${level} b back`, second, above),
      backwardOf(`${name} ${level} a back`, first, throughConv(second)),
    );
    if (level < depth)
      backward.push({
        label: `joined ${level} back`,
        groups: byChannel(2 * channels(level)),
        code: convolutionText({
          ...common,
          ...throughConv(first),
          after: { kind: 'none', out: skipGradients[level] },
        }),
      });
  }
  for (let level = depth - 1; level >= 0; level--) {
    const [first, second] = down[level];
    backward.push(
      backwardOf(`down ${level} b back`, second, throughConv(down[level + 1][0]), skipGradients[level]),
      backwardOf(`down ${level} a back`, first, throughConv(second)),
    );
  }

  // what moves each weight
  const jobs: Job[] = [];
  const place = ({ at, channels: count, row, quads, isInput, half }: Rows, channel: number) => ({
    at: at + ((half ? count / 2 : 0) + channel) * row + 1,
    sample: count * row,
    row,
    quads,
    isInput: isInput ?? false,
  });
  for (const layer of layers) {
    for (let channel = 0; channel < layer.channels; channel++)
      layer.sources.forEach((source, half) => {
        const columns = layer.sources.length * layer.input;
        jobs.push({
          kind: JobKind.conv,
          left: place(layer.dz, channel),
          right: place(source, 0),
          columns: layer.input,
          parameter: layer.weight + (channel * columns + half * layer.input) * 3,
        });
      });
    for (let channel = 0; channel < layer.channels; channel++)
      jobs.push({
        kind: isGroup ? JobKind.groupNorm : JobKind.batchNorm,
        left: place(layer.dz, channel),
        right: place(layer.da, channel),
        columns: layer.channels,
        parameter: layer.bias + channel,
        norm: {
          gamma: layer.gamma + channel,
          beta: layer.beta + channel,
          z: place(layer.z, channel).at,
          statistics:
            layer.statistics + 2 * (isGroup ? Math.floor((channel * spec.groups) / layer.channels) : channel),
          slopes: layer.slopes + 2 * channel,
        },
      });
  }
  for (let level = 0; level < depth; level++) {
    const source = below(level + 1);
    const weight = offset(`up${depth - level}.up.weight`);
    const bias = offset(`up${depth - level}.up.bias`);
    const gradient = { ...skipGradients[level], half: true };
    for (let channel = 0; channel < source.channels; channel++)
      jobs.push({
        kind: JobKind.up,
        left: place(source.a, channel),
        right: place(gradient, 0),
        columns: channels(level),
        parameter: weight + channel * channels(level) * 2,
      });
    for (let channel = 0; channel < channels(level); channel++)
      jobs.push({
        kind: JobKind.sum,
        left: place(gradient, channel),
        right: place(gradient, channel),
        // what lies beyond twice the length below is padding, not of the transposed convolution
        columns: 2 * length(level + 1),
        parameter: bias + channel,
      });
  }
  for (let band = 0; band < bands; band++) {
    const left = place(outGradient, band);
    jobs.push(
      {
        kind: JobKind.point,
        left,
        right: place(up[0]?.[1].a ?? down[0][1].a, 0),
        columns: width,
        parameter: pointWeight + band * width,
      },
      { kind: JobKind.sum, left, right: left, columns: knots, parameter: offset('outc.conv.bias') + band },
    );
  }

  return {
    arena: vectors,
    state: { theta, m, v, average, running, moved, halted, size: floats },
    last: below(0).a,
    outGradient,
    sums,
    forward,
    backward,
    jobs,
  };
};
