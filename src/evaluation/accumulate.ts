import type { PatchPixels } from '../dataset/patch.js';
import { indexResidualSums, residualSums } from '../ops/residual-sums.js';
import type { ErrorSums } from './metrics.js';

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
  { target, mask }: PatchPixels,
  band: number,
): ErrorSums => residualSums(prediction, target, mask, band);

/** Error sums of NDVI = (NIR − R)/(NIR + R), float64; pixels where either denominator is 0 are counted, not scored. */
export const indexErrors = (
  prediction: Float32Array | Float64Array,
  { target, mask }: PatchPixels,
  red: number,
  nir: number,
): IndexSums => indexResidualSums(prediction, target, mask, red, nir);
