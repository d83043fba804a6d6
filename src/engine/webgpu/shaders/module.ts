import { normEpsilon, normMomentum } from '../../layout.js';
import { constantsOf } from './parts.js';
import { vectorsOf } from './shape.js';

// Text that joins the conv module to the kernels of the UNet: its weights lie in the state, the passes over pixels take
// them as matrices, and leave sums.

interface ModuleShape {
  bands: number;
  /** Its parameters, running statistics and where these move to, in the state. */
  theta: number;
  running: number;
  moved: number;
}

const weightsOf = (bands: number): number => 9 * bands * bands;

/** `arrange(thread)`: makes the `Conv` of the passes, and with running statistics their constants. */
export const arrangeText = ({ bands, theta, running }: ModuleShape): string => {
  const vectors = vectorsOf(bands);
  const { at } = constantsOf(bands);
  const weights = weightsOf(bands);
  const matrices = 144 * vectors ** 2;
  return `@group(0) @binding(7) var<storage, read_write> constants: array<f32>;
@group(0) @binding(8) var<storage, read_write> conv: array<f32>;
fn arrange(thread: u32) {
  for (var i = thread; i < ${weights}u; i += threads) {
    let output = i / ${9 * bands}u;
    let input = (i / 9u) % ${bands}u;
    let matrix = ((i % 9u) * ${vectors}u + input / 4u) * ${vectors}u + output / 4u;
    conv[16u * matrix + 4u * (input % 4u) + output % 4u] = state[${theta}u + i];
  }
  if (thread < ${bands}u) {
    let gamma = state[${theta + weights + bands}u + thread];
    conv[${matrices}u + thread] = gamma;
    conv[${matrices + 4 * vectors}u + thread] = state[${theta + weights + 2 * bands}u + thread];
    if (batch.byBatch == 0u) {
      let variance = state[${running + bands}u + thread];
      let inverse = 1.0 / sqrt(variance + ${normEpsilon});
      constants[${4 * at.mean}u + thread] = state[${running}u + thread] - state[${theta + weights}u + thread];
      constants[${4 * at.variance}u + thread] = variance;
      constants[${4 * at.inverse}u + thread] = inverse;
      constants[${4 * at.scale}u + thread] = gamma * inverse;
    }
  }
}`;
};

/** `moveModule(thread)`: its running statistics after this step. */
export const moveModuleText = ({ bands, theta, running, moved }: ModuleShape): string => {
  const { at } = constantsOf(bands);
  return `@group(0) @binding(7) var<storage, read_write> constants: array<f32>;
fn moveModule(thread: u32) {
  if (thread >= ${bands}u) { return; }
  let before = state[${running}u + thread];
  let varianceBefore = state[${running + bands}u + thread];
  var after = before;
  var varianceAfter = varianceBefore;
  if (batch.byBatch == 1u) {
    let mean = constants[${4 * at.mean}u + thread] + state[${theta + weightsOf(bands)}u + thread];
    let unbiased = constants[${4 * at.variance}u + thread] / max(1.0 - batch.perPixel, batch.perPixel);
    after = ${1 - normMomentum} * before + ${normMomentum} * mean;
    varianceAfter = ${1 - normMomentum} * varianceBefore + ${normMomentum} * unbiased;
  }
  state[${moved}u + thread] = after;
  state[${moved + bands}u + thread] = varianceAfter;
}`;
};

/** Σe² of the batch, where {@link moveModuleText} is. */
export const squaresOf = (bands: number): string => `constants[${4 * constantsOf(bands).squares}u]`;

/** The quanta that a unit of a LUT's gradient is, for `band`. */
export const quantaOf = (bands: number): string => `constants[${4 * constantsOf(bands).at.quanta}u + band]`;

/** `moduleSlope(i)`: the gradient by parameter i. */
export const moduleSlopeText = (bands: number): string => {
  const vectors = vectorsOf(bands);
  const { at } = constantsOf(bands);
  const weights = weightsOf(bands);
  return `@group(0) @binding(5) var<storage, read> weightSums: array<vec4f>;
@group(0) @binding(6) var<storage, read> constants: array<f32>;
fn moduleSlope(i: u32) -> f32 {
  if (i < ${weights}u) {
    let output = i / ${9 * bands}u;
    let input = (i / 9u) % ${bands}u;
    let column = (((i % 9u) * ${vectors}u + input / 4u) * ${vectors}u + output / 4u) * 4u + input % 4u;
    return batch.factor * weightSums[column][output % 4u];
  }
  let band = (i - ${weights}u) % ${bands}u;
  let slopeSum = constants[${4 * at.slopeSum}u + band];
  if (i < ${weights + bands}u) {
    // the batch's mean takes the bias away again
    return select(batch.factor * constants[${4 * at.scale}u + band] * slopeSum, 0.0, batch.byBatch == 1u);
  }
  if (i < ${weights + 2 * bands}u) {
    return batch.factor * constants[${4 * at.inverse}u + band] * constants[${4 * at.productSum}u + band];
  }
  return batch.factor * slopeSum;
}`;
};
