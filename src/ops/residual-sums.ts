type Prediction = Float32Array | Float64Array;

/** Sums over valid pixels: how many, Σe, Σe², Σ|e|, Σy, Σy² with e = prediction − y; float64. */
export interface ResidualSums {
  n: number;
  error: number;
  squared: number;
  absolute: number;
  target: number;
  targetSquared: number;
}

/**
 * Pixels summed by one call of an inner function. V8 optimises functions that are called often; one that is called
 * once a patch stays slow for hundreds of patches (its loop is replaced on the stack and thrown away at its end).
 */
const share = 4096;

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

/** The same for NDVI, and in sums[6] the pixels left out. */
const addIndex = (
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

const named = ([n, error, squared, absolute, target, targetSquared]: Float64Array): ResidualSums => ({
  n,
  error,
  squared,
  absolute,
  target,
  targetSquared,
});

/**
 * Residuals of one band over the valid pixels of a patch.
 *
 * @param prediction stored units, planar [bands·pixels]; `target` likewise
 * @param mask [pixels], valid where not 0
 */
export const residualSums = (
  prediction: Prediction,
  target: Int16Array,
  mask: Uint8Array,
  band: number,
): ResidualSums => {
  const sums = new Float64Array(6);
  const pixels = mask.length;
  for (let from = 0; from < pixels; from += share)
    addBand(prediction, target, mask, band * pixels, from, Math.min(from + share, pixels), sums);
  return named(sums);
};

/**
 * Residuals of NDVI = (NIR − R)/(NIR + R) over the valid pixels of a patch. A pixel where the denominator of target
 * or prediction is 0 is left out of the sums and counted in `skipped`.
 */
export const indexResidualSums = (
  prediction: Prediction,
  target: Int16Array,
  mask: Uint8Array,
  red: number,
  nir: number,
): ResidualSums & { skipped: number } => {
  const sums = new Float64Array(7);
  const pixels = mask.length;
  for (let from = 0; from < pixels; from += share)
    addIndex(
      prediction,
      target,
      mask,
      red * pixels,
      nir * pixels,
      from,
      Math.min(from + share, pixels),
      sums,
    );
  return { ...named(sums), skipped: sums[6] };
};
