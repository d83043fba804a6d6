import type { ValueResiduals } from '../experiments/aligner.js';
import { Fault } from '../fault.js';
import type { ExpectedError } from '../models/mapping.js';
import { codes, type PixelCoding } from './pixel-coding.js';

/** Stands where there is no estimate: nodata, values outside the histogram, bins without validation pixels. */
export const noEstimate = 65535;

/**
 * Expected error of every code of each band: root mean square of the validation set's residuals at that source value,
 * the model's units, rounded up; {@link noEstimate} where validation had too little to say.
 */
export const uncertaintyCodes = (
  residuals: ValueResiduals,
  bandMax: readonly number[],
  bins: number,
  codings: readonly PixelCoding[],
): Uint16Array[] =>
  codings.map(({ values, nodata }, band) => {
    const table = new Uint16Array(codes).fill(noEstimate);
    for (let code = 0; code < codes; code++) {
      const value = values[code];
      if (code === nodata || !(value >= 0 && value <= bandMax[band])) continue;
      const bin = band * bins + Math.min(bins - 1, Math.floor((value * bins) / bandMax[band]));
      const rmse = residuals.rmse[bin];
      if (residuals.count[bin] > 0 && Number.isFinite(rmse))
        table[code] = Math.min(noEstimate - 1, Math.ceil(rmse));
    }
    return table;
  });

/** Root mean square of the expected errors over a tile's valid pixels, for each band; NaN without any estimate. */
export const expectedError = (
  counts: readonly Float64Array[],
  residuals: ValueResiduals,
  bandMax: readonly number[],
  bins: number,
  codings: readonly PixelCoding[],
): number[] =>
  counts.map((band, b) => {
    let [n, sum] = [0, 0];
    for (let code = 0; code < codes; code++) {
      const value = codings[b].values[code];
      if (band[code] === 0 || !(value >= 0 && value <= bandMax[b])) continue;
      const bin = b * bins + Math.min(bins - 1, Math.floor((value * bins) / bandMax[b]));
      if (!(residuals.count[bin] > 0)) continue;
      n += band[code];
      sum += band[code] * residuals.rmse[bin] ** 2;
    }
    return Math.sqrt(sum / n);
  });

/** The residuals, or a refusal that says why there are none. */
export const residualsOf = (residuals: ValueResiduals | null): ValueResiduals => {
  if (residuals === null)
    throw new Fault(
      'uncertainty: the weights carry no validation residuals (PyTorch files have none); leave --uncertainty out or use weights of bandalign train',
    );
  return residuals;
};

/**
 * Residuals by value as they are to be expected of this tile: those of the validation list, scaled so that their mean square
 * over the tile's pixels is the error that the model expects of it. Unchanged for a model that expects none.
 */
export const residualsOfTile = (
  residuals: ValueResiduals,
  expected: ExpectedError | undefined,
  counts: readonly Float64Array[],
  bandMax: readonly number[],
  bins: number,
  codings: readonly PixelCoding[],
): ValueResiduals => {
  if (!expected) return residuals;
  const usual = expectedError(counts, residuals, bandMax, bins, codings);
  const rmse = residuals.rmse.map((value, at) => {
    const band = Math.floor(at / bins);
    const ratio = expected.rmse[band] / usual[band];
    return Number.isFinite(ratio) ? ratio * value : value;
  });
  return { ...residuals, rmse };
};
