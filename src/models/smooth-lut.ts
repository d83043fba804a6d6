import { type BandStatistics, quadraticLoss } from '../dataset/statistics.js';
import { identityKnots, type SummedRows } from '../dataset/statistics-table.js';
import { type Knots, lutOfBands } from './mapping.js';
import type { FitInput } from './model.js';
import type { PaperSettings } from './paper-settings.js';

/**
 * Solves the symmetric positive definite pentadiagonal system M x = r by LDLᵀ, in place, float64.
 * `d0` is the diagonal, `d1[k] = M[k][k+1]`, `d2[k] = M[k][k+2]`; all have length n (trailing entries unused).
 */
const solvePentadiagonal = (d0: Float64Array, d1: Float64Array, d2: Float64Array, r: Float64Array): void => {
  const n = r.length;
  // forward: d1 and d2 become the unit lower factor's columns, d0 the pivots
  for (let k = 0; k < n; k++) {
    const pivot = d0[k];
    const [first, second] = [d1[k] / pivot, d2[k] / pivot];
    if (k + 1 < n) {
      d0[k + 1] -= first * d1[k];
      if (k + 2 < n) {
        d1[k + 1] -= first * d2[k];
        d0[k + 2] -= second * d2[k];
      }
    }
    if (k + 1 < n) r[k + 1] -= first * r[k];
    if (k + 2 < n) r[k + 2] -= second * r[k];
    r[k] /= pivot;
    d1[k] = first;
    d2[k] = second;
  }
  for (let k = n - 1; k >= 0; k--) {
    if (k + 1 < n) r[k] -= d1[k] * r[k + 1];
    if (k + 2 < n) r[k] -= d2[k] * r[k + 2];
  }
};

/**
 * The LUT L = base + c whose correction c minimises the squared error plus λ times the squared second differences of c, plus
 * a ridge: (A + λD₂ᵀD₂ + ρ) c = b − A·base, λ and ρ being `smoothness` and `ridge` × the mean count per knot. Over the
 * identity LUT, which has no second difference, it is the smooth LUT itself. The default ridge makes a band without pixels
 * the base and leaves every other band unchanged to nine digits. Empty bins are filled by the smoothness term.
 *
 * @param base knots in stored units
 * @returns knots in stored units, float64
 */
export const smoothLut = (
  { n, diagonal, offDiagonal, linear }: BandStatistics,
  base: ArrayLike<number>,
  smoothness: number,
  ridge = 1e-9,
): Float64Array => {
  const knots = base.length;
  const mean = Math.max(n, 1) / knots;
  const lambda = smoothness * mean;
  const d0 = new Float64Array(knots);
  const d1 = new Float64Array(knots);
  const d2 = new Float64Array(knots);
  for (let k = 0; k < knots; k++) {
    d0[k] = diagonal[k] + ridge * mean;
    d1[k] = k + 1 < knots ? offDiagonal[k] : 0;
  }
  for (let k = 0; k + 2 < knots; k++) {
    d0[k] += lambda;
    d0[k + 1] += 4 * lambda;
    d0[k + 2] += lambda;
    d1[k] -= 2 * lambda;
    d1[k + 1] -= 2 * lambda;
    d2[k] += lambda;
  }
  // b − A·base
  const correction = linear.map(
    (b, k) =>
      b -
      diagonal[k] * base[k] -
      (k > 0 ? offDiagonal[k - 1] * base[k - 1] : 0) -
      (k + 1 < knots ? offDiagonal[k] * base[k + 1] : 0),
  );
  solvePentadiagonal(d0, d1, d2, correction);
  return correction.map((value, k) => value + base[k]);
};

/** The {@link smoothLut} of every band. */
export const smoothLuts = (
  sums: SummedRows,
  bandMax: readonly number[],
  knots: number,
  smoothness: number,
): Knots =>
  lutOfBands(
    sums.bands.map((band, i) => smoothLut(band, identityKnots(bandMax[i], knots), smoothness)),
    bandMax,
  );

/**
 * The {@link smoothLuts} of all training pixels; of several λ, for each band by itself, the one with the least error on the
 * validation list. As few pixels as a band may have at its ends, a LUT that little holds together has spikes there.
 */
export const globalLuts = (
  input: Pick<FitInput, 'sums' | 'patches' | 'data'> & {
    settings: Pick<PaperSettings, 'globalLut'> & { knots: number };
  },
): Knots => {
  const {
    sums,
    data,
    settings: { knots, globalLut },
  } = input;
  const { smoothness } = globalLut;
  if (typeof smoothness === 'number') return smoothLuts(sums, data.bandMax, knots, smoothness);
  // where one λ is given a fit of sums alone has no patches to look at
  const { patches } = input;
  const seen = patches.sum(patches.rows.val).bands;
  return lutOfBands(
    sums.bands.map((band, b) => {
      const identity = identityKnots(data.bandMax[b], knots);
      const tried = smoothness.map((lambda) => smoothLut(band, identity, lambda));
      const errors = tried.map((lut) => quadraticLoss(seen[b], lut).sse);
      return tried[errors.indexOf(Math.min(...errors))];
    }),
    data.bandMax,
  );
};
