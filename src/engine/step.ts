import type { PatchPixels } from '../dataset/patch.js';
import { gradientBeside } from './adam.js';
import { unetForward } from './cpu/unet.js';
import type { Engine, ResidentPatch } from './engine.js';
import { convLayout, type Layout, type UnetSpec, unetLayout } from './layout.js';
import { lutHead, lutHeadGradient } from './lut.js';
import { type StatisticsBatch, statisticsError } from './statistics-error.js';

/** The tensors of a UNet-LUT: the UNet's, then the conv module's, in one flat vector each. */
export interface StepShape {
  spec: UnetSpec;
  unet: Layout;
  /** Null without the conv module. */
  conv: Layout | null;
  parameterCount: number;
  runningCount: number;
}

/** The shape of a UNet, with or without a conv module. */
export const stepShape = (spec: UnetSpec, conv: boolean): StepShape => {
  const unet = unetLayout(spec);
  const module = conv ? convLayout(spec.bands) : null;
  return {
    spec,
    unet,
    conv: module,
    parameterCount: unet.parameterCount + (module?.parameterCount ?? 0),
    runningCount: unet.runningCount + (module?.runningCount ?? 0),
  };
};

export interface StepWeights {
  /** [parameterCount] */
  theta: Float32Array;
  /** Running means and variances of the batch norms, [runningCount]. */
  running: Float32Array;
  /** The LUT that the UNet corrects, [bands·knots] stored units; null where it predicts the LUT itself. */
  base: Float32Array | null;
}

/** What one step sees: histograms, and the pixels' statistics or, with a conv module, the pixels. */
export interface Batch {
  /** UNet input, [samples, bands, knots]. */
  input: Float32Array;
  samples: number;
  statistics: StatisticsBatch | null;
  pixels: readonly PatchPixels[] | null;
  /** The same pixels where they lie on the device already (see patch-store.ts). */
  resident?: readonly ResidentPatch[];
}

/** Value and gradient [samples, bands, knots] of a penalty on a batch of LUTs. */
export interface WeightedPenalty {
  name: string;
  /** Its factor in the loss. */
  weight: number;
  of: (
    lut: Float32Array,
    shape: { samples: number; bands: number; knots: number },
  ) => { value: number; gradient: Float32Array };
}

export interface StepSettings {
  /** Stored units of a 1 in the UNet's output. */
  scale: number;
  bandMax: readonly number[];
  penalties: readonly WeightedPenalty[];
}

/** Losses and gradient of a batch at given weights. */
export interface StepResult {
  /** Mean over valid pixels and bands, stored units². */
  mse: number;
  /** Values of the penalties in their order; 0 where no penalty has a weight. */
  penalties: number[];
  /** mse + Σ weight·penalty */
  loss: number;
  /** [parameterCount]; the next step with the same theta writes into it again. */
  gradient: Float32Array;
  /** The updated running statistics, [runningCount]. */
  running: Float32Array;
}

/** What steps with the same weights use again and again. */
interface Workspace {
  gradient: Float32Array;
  /** The UNet's output, the LUTs and their gradient: [samples, bands, knots], each at its largest so far. */
  out: Float32Array;
  lut: Float32Array;
  dLut: Float32Array;
}

const workspaces = new WeakMap<Float32Array, Workspace>();

const workspaceFor = (theta: Float32Array, size: number): Workspace => {
  const known = workspaces.get(theta);
  if (known && known.out.length >= size) return known;
  const vector = (): Float32Array => new Float32Array(size);
  const gradient = known?.gradient ?? gradientBeside(theta) ?? new Float32Array(theta.length);
  const workspace = { gradient, out: vector(), lut: vector(), dLut: vector() };
  workspaces.set(theta, workspace);
  return workspace;
};

/**
 * Adds the penalties' gradients to `dLut`, rounded to float32 as they add up.
 *
 * @returns values of the penalties, float32: zeros where no penalty has a weight, for then none is computed
 */
const addPenalties = (
  penalties: readonly WeightedPenalty[],
  lut: Float32Array,
  shape: { samples: number; bands: number; knots: number },
  dLut: Float32Array,
): number[] => {
  if (penalties.every(({ weight }) => weight === 0)) return penalties.map(() => 0);
  const round = Math.fround;
  const results = penalties.map(({ of }) => of(lut, shape));
  const [first, ...others] = results.map(({ gradient }, i) => ({
    gradient,
    weight: round(penalties[i].weight),
  }));
  for (let i = 0; i < dLut.length; i++) {
    let sum = round(first.gradient[i] * first.weight);
    for (const { gradient, weight } of others) sum = round(sum + round(gradient[i] * weight));
    dLut[i] += sum;
  }
  return results.map(({ value }) => round(value));
};

/**
 * Losses and gradient of one batch: histograms → UNet → LUTs → their error, from statistics or from pixels → penalties,
 * and the gradients back the same way.
 *
 * @param norm what the batch norms normalise by: this batch (training) or the running statistics, which then stay
 * @throws Fault where the device that computes is lost or out of memory
 */
export const stepGradient = async (
  engine: Engine,
  shape: StepShape,
  settings: StepSettings,
  weights: StepWeights,
  batch: Batch,
  norm: 'batch' | 'running',
): Promise<StepResult> => {
  const { spec, unet } = shape;
  const { bands, knots } = spec;
  const { samples, input } = batch;
  const { scale, bandMax, penalties } = settings;
  const { base } = weights;
  const size = samples * bands * knots;
  const workspace = workspaceFor(weights.theta, size);
  const { gradient } = workspace;
  const out = workspace.out.subarray(0, size);
  const lut = workspace.lut.subarray(0, size);
  const running = new Float32Array(shape.runningCount);

  const pass = engine.unetForward(
    {
      spec,
      layout: unet,
      theta: weights.theta.subarray(0, unet.parameterCount),
      running: weights.running.subarray(0, unet.runningCount),
      input,
      samples,
      norm,
    },
    out,
    running.subarray(0, unet.runningCount),
  );
  lutHead(out, base, scale, lut);

  let mse: number;
  let dLut = workspace.dLut.subarray(0, size);
  if (shape.conv === null) ({ mse } = statisticsError(lut, batch.statistics!, dLut));
  else {
    const common = {
      lut,
      conv: weights.theta.subarray(unet.parameterCount),
      running: weights.running.subarray(unet.runningCount),
      bandMax,
      norm,
    };
    const error = await engine.pixelError(
      batch.resident ? { ...common, patches: batch.resident } : { ...common, patches: batch.pixels! },
    );
    ({ mse, dLut } = error);
    gradient.set(error.dConv, unet.parameterCount);
    running.set(error.running, unet.runningCount);
  }
  mse = Math.fround(mse);
  const values = addPenalties(penalties, lut, { samples, bands, knots }, dLut);
  const loss = values.reduce(
    (sum, value, i) => Math.fround(sum + Math.fround(value * Math.fround(penalties[i].weight))),
    mse,
  );

  const dOut = lutHeadGradient(dLut, out, base, scale, dLut);
  pass.backward(dOut, gradient.subarray(0, unet.parameterCount));
  return { mse, penalties: values, loss, gradient, running };
};

/**
 * LUTs of tiles in evaluation mode: batch norms by their running statistics. On the host, whatever the engine.
 *
 * @param input UNet input of each tile, [samples, bands, knots]
 * @returns stored units, [samples, bands, knots]
 */
export const predictLuts = (
  { spec, unet }: StepShape,
  { scale }: Pick<StepSettings, 'scale'>,
  { theta, running, base }: StepWeights,
  input: Float32Array,
  samples: number,
): Float32Array => {
  const lut = new Float32Array(samples * spec.bands * spec.knots);
  unetForward(
    {
      spec,
      layout: unet,
      theta: theta.subarray(0, unet.parameterCount),
      running: running.subarray(0, unet.runningCount),
      input,
      samples,
      norm: 'running',
    },
    lut,
    new Float32Array(unet.runningCount),
  );
  return lutHead(lut, base, scale, lut);
};
