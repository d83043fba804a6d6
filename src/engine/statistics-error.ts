import { identityKnots, type StatisticsTable } from '../dataset/statistics-table.js';

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

type Quadratic = Pick<StatisticsBatch, 'diagonal' | 'offDiagonal' | 'linear'>;

/** Aδ of the row at hand. */
let product = new Float64Array(0);

/**
 * δᵀAδ − 2·linearᵀδ of one row, float64, δ = LUT − identity; leaves Aδ in {@link product}.
 *
 * @param start where the row's A and b begin; `lutAt` and `identityAt` likewise
 */
const quadraticForm = (
  { diagonal, offDiagonal, linear }: Quadratic,
  start: number,
  knots: number,
  lut: ArrayLike<number>,
  lutAt: number,
  identity: ArrayLike<number>,
  identityAt: number,
  constant: number,
): number => {
  if (product.length < knots) product = new Float64Array(knots);
  let sse = constant;
  let before = 0;
  let here = lut[lutAt] - identity[identityAt];
  let couplingBefore = 0;
  for (let k = 0; k < knots; k++) {
    const after = k + 1 < knots ? lut[lutAt + k + 1] - identity[identityAt + k + 1] : 0;
    const coupling = offDiagonal[start + k];
    const a = couplingBefore * before + diagonal[start + k] * here + coupling * after;
    product[k] = a;
    sse += here * (a - 2 * linear[start + k]);
    before = here;
    here = after;
    couplingBefore = coupling;
  }
  return sse;
};

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
  const { linear, identity, constant, count } = batch;
  const rows = constant.length;
  const knots = lut.length / rows;
  const bands = identity.length / knots;
  let n = 0;
  for (let row = 0; row < rows; row++) n += count[row];
  n = Math.max(1, n);
  let sse = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * knots;
    sse = quadraticForm(
      batch,
      start,
      knots,
      lut,
      start,
      identity,
      (row % bands) * knots,
      sse + constant[row],
    );
    for (let k = 0; k < knots; k++) gradient[start + k] = (2 * (product[k] - linear[start + k])) / n;
  }
  return { mse: sse / n, gradient };
};

const identities = new Map<string, Float64Array>();

const identityOf = (bandMax: number, knots: number): Float64Array => {
  const key = `${bandMax}/${knots}`;
  const identity = identities.get(key) ?? identityKnots(bandMax, knots);
  identities.set(key, identity);
  return identity;
};

/**
 * Squared error of a LUT on one patch and band, from its statistics, float64. Never below 0 (rounding can put an exact
 * fit there).
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
  const cell = row * bands + band;
  const identity = identityOf(bandMax[band], knots);
  return Math.max(
    0,
    quadraticForm(table, cell * knots, knots, lut, offset, identity, 0, table.constant[cell]),
  );
};
