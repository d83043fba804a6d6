import { countValues, makeValueCounts, type ValueCounts, valueZero } from './count-values.js';

/** n, Σx, Σy, Σx², Σxy, Σy² over valid pixels; x and y are neither clipped nor truncated. */
export interface Moments {
  n: number;
  x: number;
  y: number;
  xx: number;
  xy: number;
  yy: number;
}

/**
 * All that the squared error of a LUT on one band depends on: `SSE(L) = LᵀAL − 2bᵀL + c`, A tridiagonal
 * (a LUT read by linear interpolation is linear in its knots).
 */
export interface BandStatistics {
  /** Valid pixels. */
  n: number;
  /** A[k,k], [K]. */
  diagonal: Float64Array;
  /** A[k,k+1], [K − 1]. */
  offDiagonal: Float64Array;
  /** b, [K]. */
  linear: Float64Array;
  /** c = Σy². */
  constant: number;
  moments: Moments;
}

/** Sums over a band from its per-value counts. */
export const momentsOf = ({ source, target, targetSum, from, to }: ValueCounts): Moments => {
  const moments = { n: 0, x: 0, y: 0, xx: 0, xy: 0, yy: 0 };
  for (let at = from; at < to; at++) {
    const value = at - valueZero;
    const count = source[at];
    if (count > 0) {
      moments.n += count;
      moments.x += count * value;
      moments.xx += count * value * value;
      moments.xy += value * targetSum[at];
    }
    if (target[at] > 0) {
      moments.y += target[at] * value;
      moments.yy += target[at] * value * value;
    }
  }
  return moments;
};

/**
 * Statistics of a band from its per-value counts. A source value v is clipped to [0, bandMax − 1] and stands at
 * position v·(knots − 1)/(bandMax − 1) between the knots.
 */
export const foldCounts = (counts: ValueCounts, bandMax: number, knots: number): BandStatistics => {
  const diagonal = new Float64Array(knots);
  const offDiagonal = new Float64Array(knots - 1);
  const linear = new Float64Array(knots);
  const { source, targetSum, from, to } = counts;
  for (let at = from; at < to; at++) {
    const count = source[at];
    if (count === 0) continue;
    const value = Math.min(Math.max(at - valueZero, 0), bandMax - 1);
    const position = (value * (knots - 1)) / (bandMax - 1);
    const knot = Math.min(Math.floor(position), knots - 2);
    const upper = position - knot;
    const lower = 1 - upper;
    diagonal[knot] += count * lower * lower;
    offDiagonal[knot] += count * lower * upper;
    diagonal[knot + 1] += count * upper * upper;
    linear[knot] += lower * targetSum[at];
    linear[knot + 1] += upper * targetSum[at];
  }
  const moments = momentsOf(counts);
  return { n: moments.n, diagonal, offDiagonal, linear, constant: moments.yy, moments };
};

/**
 * Statistics of one band of one patch, in float64, from one pass over its pixels.
 *
 * @param source source values, stored units, a pixel each; likewise `target` and `mask` (valid where not 0)
 * @param bandMax upper end of the band's LUT, which reads [0, bandMax − 1]
 * @param knots K ≥ 2
 */
export const bandStatistics = (
  source: Int16Array,
  target: Int16Array,
  mask: Uint8Array,
  bandMax: number,
  knots: number,
): BandStatistics => {
  const counts = makeValueCounts();
  countValues(source, target, mask, counts);
  return foldCounts(counts, bandMax, knots);
};

/** A·v for the tridiagonal A of a band, [K]. */
export const timesA = (
  { diagonal, offDiagonal }: Pick<BandStatistics, 'diagonal' | 'offDiagonal'>,
  vector: ArrayLike<number>,
): Float64Array => {
  const last = diagonal.length - 1;
  const product = new Float64Array(last + 1);
  for (let k = 0; k <= last; k++) {
    product[k] = diagonal[k] * vector[k];
    if (k > 0) product[k] += offDiagonal[k - 1] * vector[k - 1];
    if (k < last) product[k] += offDiagonal[k] * vector[k + 1];
  }
  return product;
};

/**
 * Sum of squared errors of a LUT over the valid pixels of a band, and its gradient by knot: exactly what the pixels
 * give.
 *
 * @param lut [K], stored units
 */
export const quadraticLoss = (
  stats: Pick<BandStatistics, 'diagonal' | 'offDiagonal' | 'linear' | 'constant'>,
  lut: ArrayLike<number>,
): { sse: number; gradient: Float64Array } => {
  const product = timesA(stats, lut);
  const gradient = new Float64Array(product.length);
  let sse = stats.constant;
  for (let k = 0; k < product.length; k++) {
    sse += lut[k] * (product[k] - 2 * stats.linear[k]);
    gradient[k] = 2 * (product[k] - stats.linear[k]);
  }
  return { sse, gradient };
};
