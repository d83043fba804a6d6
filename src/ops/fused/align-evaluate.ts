import type { AlignLossInputs } from '../align-loss.js';
import { expandBand } from '../apply-mapping.js';
import { normEpsilon, normMomentum } from '../unet-signature.js';
import type { AlignPlan } from './align-plan.js';
import { roomFor } from './align-room.js';
import { arrangeWeights } from './conv-weights.js';
import { control } from './threads.js';

/** Passes of kernels/pixel-error.entry.ts. */
const pass = { conv: 0, error: 1, gradient: 2, whole: 3 } as const;

export interface AlignResult {
  mse: number;
  running: Float32Array;
  lut: Float32Array;
  conv: Float32Array;
}

/** Mean and biased variance of z from the units' moments (Chan et al. 1983), in float64. */
const combineMoments = (
  sums: Float64Array,
  { bands, sumBytes, stripRows, ...plan }: AlignPlan,
  units: number,
) => {
  const mean = new Float64Array(bands);
  const variance = new Float64Array(bands);
  let n = 0;
  for (let unit = 0; unit < units; unit++) {
    const at = (unit * sumBytes) / 8;
    const rows = Math.min(stripRows, plan.height - (unit % plan.strips) * stripRows);
    const count = rows * plan.width;
    for (let band = 0; band < bands; band++) {
      const shift = sums[at + bands + band] / count;
      // the kernel subtracts the reference in float32
      const own = Math.fround(sums[at + band]) + shift;
      const squares = sums[at + 2 * bands + band] - count * shift * shift;
      const delta = own - mean[band];
      mean[band] += (delta * count) / (n + count);
      variance[band] += squares + (delta * delta * n * count) / (n + count);
    }
    n += count;
  }
  return { mean, variance: variance.map((squares) => Math.max(squares, 0) / n) };
};

/** Value, running statistics and, if asked for, gradients; arrays as in {@link AlignLossInputs}. */
export const evaluateAlign = (
  lut: Float32Array,
  knots: number,
  conv: Float32Array,
  running: Float32Array,
  {
    batch,
    bandMax,
    norm,
    gradient,
  }: Pick<AlignLossInputs, 'batch' | 'bandMax' | 'norm'> & { gradient: boolean },
): AlignResult => {
  const { memory, kernel, plan } = roomFor(batch, knots, bandMax);
  const { bands } = plan;
  const { buffer } = memory;
  const floats = new Float32Array(buffer);
  const units = batch.length * plan.strips;
  const run = (which: number): void => {
    if (kernel.runPass(control, which, plan.address, units) !== 0)
      throw new Error('kernel pixel-error: a thread failed');
  };

  batch.forEach(({ source, target, mask }, sample) => {
    const at = plan.pixels + sample * plan.pixelBytes;
    new Int16Array(buffer, at, source.length).set(source);
    new Int16Array(buffer, at + plan.sourceBytes, target.length).set(target);
    new Uint8Array(buffer, at + 2 * plan.sourceBytes, mask.length).set(mask);
    let table = plan.tables + sample * plan.tableBytes;
    bandMax.forEach((max, band) => {
      expandBand(lut, (sample * bands + band) * knots, knots, max, new Float32Array(buffer, table, max));
      table += 4 * max;
    });
  });
  const weights = bands * bands * 9;
  arrangeWeights(conv, bands, false, floats.subarray(plan.forward / 4));
  arrangeWeights(conv, bands, true, floats.subarray(plan.backward / 4));
  const bias = conv.subarray(weights, weights + bands);
  const gamma = conv.subarray(weights + bands, weights + 2 * bands);
  const beta = conv.subarray(weights + 2 * bands, weights + 3 * bands);

  const sums = new Float64Array(buffer, plan.sums, (units * plan.sumBytes) / 8);
  const summed = (at: number): number => {
    let total = 0;
    for (let unit = 0; unit < units; unit++) total += sums[(unit * plan.sumBytes) / 8 + at];
    return total;
  };
  const perBand = (of: (band: number) => number): Float64Array =>
    Float64Array.from({ length: bands }, (_, band) => of(band));
  const setConstants = (at: number, values: Float64Array | Float32Array): void => floats.set(values, at / 4);

  const kept = Float32Array.from(running);
  const pixels = batch.length * plan.width * plan.height;
  let mean = perBand((band) => running[band] - bias[band]);
  let variance = perBand((band) => running[bands + band]);
  if (norm === 'batch' || !gradient) run(pass.conv);
  if (norm === 'batch') {
    ({ mean, variance } = combineMoments(sums, plan, units));
    for (let band = 0; band < bands; band++) {
      const unbiased = (variance[band] * pixels) / Math.max(pixels - 1, 1);
      kept[band] = (1 - normMomentum) * running[band] + normMomentum * (mean[band] + bias[band]);
      kept[bands + band] = (1 - normMomentum) * running[bands + band] + normMomentum * unbiased;
    }
  }
  const inverse = perBand((band) => 1 / Math.sqrt(variance[band] + normEpsilon));
  const scale = perBand((band) => gamma[band] * inverse[band]);
  setConstants(plan.mean, mean);
  setConstants(plan.scale, scale);
  setConstants(plan.beta, beta);
  setConstants(plan.level, new Float64Array(bands));
  setConstants(plan.slope, new Float64Array(bands));
  run(norm === 'running' && gradient ? pass.whole : pass.error);

  const errors = 3 * bands;
  const valid = summed(errors);
  const mse = summed(errors + 1) / (Math.max(valid, 1) * bands);
  const result = {
    mse,
    running: kept,
    lut: new Float32Array(lut.length),
    conv: new Float32Array(conv.length),
  };
  if (!gradient || valid === 0) return result;

  const factor = 2 / (valid * bands);
  const level = perBand((band) => summed(errors + 2 + band));
  const slope = perBand((band) => summed(errors + 2 + bands + band));
  if (norm === 'batch') {
    setConstants(
      plan.level,
      level.map((sum, band) => (scale[band] * sum) / pixels),
    );
    setConstants(
      plan.slope,
      slope.map((sum, band) => (scale[band] * inverse[band] ** 2 * sum) / pixels),
    );
    run(pass.gradient);
  }
  for (let band = 0; band < bands; band++) {
    // the batch's mean takes the bias away again
    result.conv[weights + band] = norm === 'batch' ? 0 : factor * scale[band] * level[band];
    result.conv[weights + bands + band] = factor * inverse[band] * slope[band];
    result.conv[weights + 2 * bands + band] = factor * level[band];
  }
  const first = 5 * bands + 2;
  for (let output = 0; output < bands; output++)
    for (let tap = 0; tap < 9 * bands; tap++)
      result.conv[output * bands * 9 + tap] = factor * summed(first + tap * plan.channels + output);
  for (let sample = 0; sample < batch.length; sample++) kernel.foldTables(plan.address, sample);
  const knotSums = new Float64Array(buffer, plan.knotSums, result.lut.length);
  for (let k = 0; k < knotSums.length; k++) result.lut[k] = factor * knotSums[k];
  return result;
};
