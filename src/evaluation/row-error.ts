import type { StatisticsTable } from '../dataset/statistics-table.js';

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
