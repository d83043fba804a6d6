import type { PatchPixels } from '../dataset/patch.js';
import { type ErrorSums, noErrors } from './metrics.js';

/** Error sums of the vegetation index, and the valid pixels left out because a denominator was 0. */
export interface IndexSums extends ErrorSums {
  skipped: number;
}

/**
 * Error sums of one band over a patch's valid pixels, float64.
 *
 * @param prediction stored units, planar [bands·height·width]
 */
export const bandErrors = (
  prediction: Float32Array | Float64Array,
  { target, mask, width, height }: PatchPixels,
  band: number,
): ErrorSums => {
  const pixels = width * height;
  const start = band * pixels;
  let [n, error, squared, absolute, sum, sumSquared] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < pixels; i++) {
    if (mask[i] === 0) continue;
    const y = target[start + i];
    const e = prediction[start + i] - y;
    n++;
    error += e;
    squared += e * e;
    absolute += Math.abs(e);
    sum += y;
    sumSquared += y * y;
  }
  return { n, error, squared, absolute, target: sum, targetSquared: sumSquared };
};

/** Error sums of NDVI = (NIR − R)/(NIR + R), float64; pixels where either denominator is 0 are counted, not scored. */
export const indexErrors = (
  prediction: Float32Array | Float64Array,
  { target, mask, width, height }: PatchPixels,
  red: number,
  nir: number,
): IndexSums => {
  const pixels = width * height;
  const sums = { ...noErrors(), skipped: 0 };
  const [r, n] = [red * pixels, nir * pixels];
  for (let i = 0; i < pixels; i++) {
    if (mask[i] === 0) continue;
    const below = target[n + i] + target[r + i];
    const belowPrediction = prediction[n + i] + prediction[r + i];
    if (below === 0 || belowPrediction === 0) {
      sums.skipped++;
      continue;
    }
    const y = (target[n + i] - target[r + i]) / below;
    const e = (prediction[n + i] - prediction[r + i]) / belowPrediction - y;
    sums.n++;
    sums.error += e;
    sums.squared += e * e;
    sums.absolute += Math.abs(e);
    sums.target += y;
    sums.targetSquared += y * y;
  }
  return sums;
};
