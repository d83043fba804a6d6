import type { StatisticsTable } from '../dataset/statistics-table.js';

/**
 * Rows of the statistics table for one batch: A and b of each sample and band centred at the identity LUT
 * (dataset/statistics-table.ts), arrays [samples·bands·knots]; `constant` and `count` [samples·bands].
 */
export interface StatisticsBatch {
  diagonal: Float32Array;
  /** Couples knots k and k+1; the last entry of a row is 0. */
  offDiagonal: Float32Array;
  linear: Float32Array;
  constant: Float64Array;
  count: Float64Array;
  /** Identity LUT, [bands·knots]. */
  identity: Float32Array;
}

/**
 * Mean squared error over all valid pixels and bands of a batch, from sufficient statistics alone: exactly what the
 * pixels give for a LUT read by linear interpolation, for its error is a quadratic form of the knots. 0, with zero
 * gradient, when no pixel is valid.
 *
 * @param lut LUTs in stored units, [samples, bands, knots]
 * @param gradient where 2(Aδ − linear)/n is written, as `lut`
 * @returns `mse` in stored units², float64
 */
export const statisticsError = (
  lut: Float32Array,
  batch: StatisticsBatch,
  gradient: Float32Array = new Float32Array(lut.length),
): { mse: number; gradient: Float32Array } => {
  const { diagonal, offDiagonal, linear, identity, constant, count } = batch;
  const rows = constant.length;
  const knots = lut.length / rows;
  const bands = identity.length / knots;
  let n = 0;
  for (let row = 0; row < rows; row++) n += count[row];
  n = Math.max(1, n);
  let sse = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * knots;
    const base = (row % bands) * knots;
    let before = 0;
    let here = lut[start] - identity[base];
    let couplingBefore = 0;
    sse += constant[row];
    for (let k = 0; k < knots; k++) {
      const after = k + 1 < knots ? lut[start + k + 1] - identity[base + k + 1] : 0;
      const coupling = offDiagonal[start + k];
      // row k of Aδ
      const product = couplingBefore * before + diagonal[start + k] * here + coupling * after;
      sse += here * (product - 2 * linear[start + k]);
      gradient[start + k] = (2 * (product - linear[start + k])) / n;
      before = here;
      here = after;
      couplingBefore = coupling;
    }
  }
  return { mse: sse / n, gradient };
};

/**
 * Squared error of a LUT on one patch and band, from its statistics, float64: δᵀAδ − 2·linearᵀδ + constant with
 * δ = LUT − identity. Never below 0 (rounding can put an exact fit there).
 *
 * @param row patch, band: row of the table and band in it
 * @param lut knots in stored units; those of `band` begin at `offset`
 */
export const rowError = (
  table: StatisticsTable,
  row: number,
  band: number,
  lut: ArrayLike<number>,
  offset = 0,
): number => {
  const { bands, knots, bandMax } = table;
  const start = (row * bands + band) * knots;
  const spacing = (bandMax[band] - 1) / (knots - 1);
  let sse = table.constant[row * bands + band];
  let here = lut[offset];
  for (let k = 0; k < knots; k++) {
    const after = k + 1 < knots ? lut[offset + k + 1] - (k + 1) * spacing : 0;
    sse +=
      here * (table.diagonal[start + k] * here + 2 * table.offDiagonal[start + k] * after) -
      2 * table.linear[start + k] * here;
    here = after;
  }
  return Math.max(0, sse);
};
