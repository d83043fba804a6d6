import type { PatchPixels } from '../dataset/patch.js';

/**
 * Sums over the valid pixels of one band, with the error e = prediction − target: every metric is computed from them, and
 * they add up over patches and tiles. float64, stored units (NDVI: none).
 */
export interface ErrorSums {
  /** Valid pixels. */
  n: number;
  /** Σe. */
  error: number;
  /** Σe². */
  squared: number;
  /** Σ|e|. */
  absolute: number;
  /** Σ target. */
  target: number;
  /** Σ target². */
  targetSquared: number;
}

/** Error sums of NDVI, and the valid pixels left out because a denominator was 0. */
export interface NdviSums extends ErrorSums {
  skipped: number;
}

/** The sums in the order in which flat arrays hold them. */
const sumNames = ['n', 'error', 'squared', 'absolute', 'target', 'targetSquared'] as const;

/** Numbers that a band takes in a flat array of sums. */
export const sumsPerBand = sumNames.length;

/** Writes sums to `values[at … at + sumsPerBand − 1]`. */
export const writeSums = (sums: ErrorSums, values: Float64Array, at: number): void => {
  for (const [k, name] of sumNames.entries()) values[at + k] = sums[name];
};

/** The sums at `values[at … at + sumsPerBand − 1]`. */
export const readSums = (values: Float64Array, at: number): ErrorSums => ({
  n: values[at],
  error: values[at + 1],
  squared: values[at + 2],
  absolute: values[at + 3],
  target: values[at + 4],
  targetSquared: values[at + 5],
});

/**
 * Sums over rows of a flat array, each row as often as `times` says.
 *
 * @param at where the sums begin in the first row
 * @param stride from one row to the next
 */
export const addRows = (values: Float64Array, at: number, stride: number, times: Uint16Array): ErrorSums => {
  // six variables stay in registers: a bootstrap adds a billion numbers here
  let [n, error, squared, absolute, target, targetSquared] = [0, 0, 0, 0, 0, 0];
  for (let row = 0, k = at; row < times.length; row++, k += stride) {
    const count = times[row];
    n += count * values[k];
    error += count * values[k + 1];
    squared += count * values[k + 2];
    absolute += count * values[k + 3];
    target += count * values[k + 4];
    targetSquared += count * values[k + 5];
  }
  return { n, error, squared, absolute, target, targetSquared };
};

/** The sums of no pixel. */
export const noErrors = (): ErrorSums => ({
  n: 0,
  error: 0,
  squared: 0,
  absolute: 0,
  target: 0,
  targetSquared: 0,
});

/** Adds `more` to `sums` in place, `times` over. */
export const addErrors = (sums: ErrorSums, more: ErrorSums, times = 1): ErrorSums => {
  for (const name of sumNames) sums[name] += times * more[name];
  return sums;
};

type Prediction = Float32Array | Float64Array;

/**
 * Pixels that one call of an inner function sums. V8 optimises functions that are called often; one that is called once a
 * patch stays slow for hundreds of patches (its loop is replaced on the stack and thrown away at its end).
 */
export const pixelsPerCall = 4096;

/** Adds n, Σe, Σe², Σ|e|, Σy, Σy² of pixels from … to − 1 of a band that starts at `at`. */
const addBand = (
  prediction: Prediction,
  target: Int16Array,
  mask: Uint8Array,
  at: number,
  from: number,
  to: number,
  sums: Float64Array,
): void => {
  let n = 0;
  let error = 0;
  let squared = 0;
  let absolute = 0;
  let sum = 0;
  let sumSquared = 0;
  for (let i = from; i < to; i++) {
    if (mask[i] === 0) continue;
    const y = target[at + i];
    const e = prediction[at + i] - y;
    n++;
    error += e;
    squared += e * e;
    absolute += Math.abs(e);
    sum += y;
    sumSquared += y * y;
  }
  sums[0] += n;
  sums[1] += error;
  sums[2] += squared;
  sums[3] += absolute;
  sums[4] += sum;
  sums[5] += sumSquared;
};

/** The same of NDVI, and in sums[6] the pixels left out. */
const addNdvi = (
  prediction: Prediction,
  target: Int16Array,
  mask: Uint8Array,
  red: number,
  nir: number,
  from: number,
  to: number,
  sums: Float64Array,
): void => {
  let n = 0;
  let skipped = 0;
  let error = 0;
  let squared = 0;
  let absolute = 0;
  let sum = 0;
  let sumSquared = 0;
  for (let i = from; i < to; i++) {
    if (mask[i] === 0) continue;
    const r = target[red + i];
    const v = target[nir + i];
    const rp = prediction[red + i];
    const vp = prediction[nir + i];
    const below = v + r;
    const belowPrediction = vp + rp;
    if (below === 0 || belowPrediction === 0) {
      skipped++;
      continue;
    }
    const y = (v - r) / below;
    const e = (vp - rp) / belowPrediction - y;
    n++;
    error += e;
    squared += e * e;
    absolute += Math.abs(e);
    sum += y;
    sumSquared += y * y;
  }
  sums[0] += n;
  sums[1] += error;
  sums[2] += squared;
  sums[3] += absolute;
  sums[4] += sum;
  sums[5] += sumSquared;
  sums[6] += skipped;
};

/**
 * Error sums of one band over the valid pixels of a patch.
 *
 * @param prediction stored units, [bands, height, width]
 */
export const bandErrors = (
  prediction: Prediction,
  { target, mask }: Pick<PatchPixels, 'target' | 'mask'>,
  band: number,
): ErrorSums => {
  const sums = new Float64Array(sumsPerBand);
  const pixels = mask.length;
  for (let from = 0; from < pixels; from += pixelsPerCall)
    addBand(prediction, target, mask, band * pixels, from, Math.min(from + pixelsPerCall, pixels), sums);
  return readSums(sums, 0);
};

/**
 * Error sums of NDVI = (NIR − R)/(NIR + R) over the valid pixels of a patch. A pixel where the denominator of target or
 * prediction is 0 is left out and counted in `skipped`.
 *
 * @param prediction stored units, [bands, height, width]
 * @param red index of the red band; `nir` likewise
 */
export const ndviErrors = (
  prediction: Prediction,
  { target, mask }: Pick<PatchPixels, 'target' | 'mask'>,
  red: number,
  nir: number,
): NdviSums => {
  const sums = new Float64Array(sumsPerBand + 1);
  const pixels = mask.length;
  for (let from = 0; from < pixels; from += pixelsPerCall) {
    const to = Math.min(from + pixelsPerCall, pixels);
    addNdvi(prediction, target, mask, red * pixels, nir * pixels, from, to, sums);
  }
  return { ...readSums(sums, 0), skipped: sums[sumsPerBand] };
};
