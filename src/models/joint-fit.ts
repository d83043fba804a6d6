import { polynomialTerms } from '../dataset/polynomial-terms.js';
import type { JointSums } from '../dataset/statistics-table.js';
import { cholesky, solveCholesky } from './linear-algebra.js';
import type { Polynomial } from './mapping.js';

/** The moments of a polynomial of all bands: XᵀX and Xᵀy of its terms over some pixels. */
export interface NormalEquations {
  terms: number;
  bands: number;
  /** Valid pixels. */
  n: number;
  /** XᵀX, [terms·terms]. */
  gram: Float64Array;
  /** Xᵀy, [terms·bands]: a column for each target band. */
  cross: Float64Array;
}

const products = new Map<string, Int32Array>();

/** Where the product of two terms stands among the source moments, [terms·terms]. */
const productsOf = (bands: number, degree: number): Int32Array => {
  const key = `${bands}/${degree}`;
  const known = products.get(key);
  if (known) return known;
  const at = new Map(polynomialTerms(bands, 2 * degree).map((term, t) => [term.join(), t]));
  const terms = polynomialTerms(bands, degree);
  const found = Int32Array.from(
    terms.flatMap((a) => terms.map((b) => at.get([...a, ...b].sort((x, y) => x - y).join())!)),
  );
  products.set(key, found);
  return found;
};

/** The normal equations of a polynomial of at most the degree that the sums were counted for. */
export const normalEquations = (sums: JointSums, degree: 1 | 2 | 3): NormalEquations => {
  const bands = sums.bandMax.length;
  const at = productsOf(bands, degree);
  const terms = Math.sqrt(at.length);
  const counted = sums.crossMoments.length / bands;
  const cross = new Float64Array(terms * bands);
  for (let t = 0; t < terms; t++)
    for (let b = 0; b < bands; b++) cross[t * bands + b] = sums.crossMoments[b * counted + t];
  return {
    terms,
    bands,
    n: sums.sourceMoments[0],
    gram: Float64Array.from(at, (product) => sums.sourceMoments[product]),
    cross,
  };
};

/**
 * Solves (XᵀX + P) W = Xᵀy.
 *
 * @param penalty P, [terms·terms]; by default 1e-10 of the mean of XᵀX's diagonal, which decides among bands that say the same
 * @returns W, [terms·bands]; zero where there is no pixel
 */
export const solveNormal = (
  { terms, bands, n, gram, cross }: NormalEquations,
  penalty?: Float64Array,
): Float64Array => {
  const solution = Float64Array.from(cross);
  if (n === 0) return solution.fill(0);
  let trace = 0;
  for (let t = 0; t < terms; t++) trace += gram[t * terms + t] / terms;
  for (let ridge = 1e-10; ; ridge *= 100) {
    const a = Float64Array.from(gram, (value, i) => value + (penalty?.[i] ?? 0));
    if (!penalty || ridge > 1e-10) for (let t = 0; t < terms; t++) a[t * terms + t] += ridge * trace;
    if (!cholesky(a, terms)) continue;
    solveCholesky(a, terms, solution, bands);
    return solution;
  }
};

/** Coefficients W, [terms·bands], as a mapping. */
export const polynomialOf = (
  coefficients: Float64Array,
  degree: 1 | 2 | 3,
  scale: readonly number[],
): Polynomial => {
  const bands = scale.length;
  const terms = coefficients.length / bands;
  const byBand = new Float64Array(coefficients.length);
  for (let t = 0; t < terms; t++)
    for (let b = 0; b < bands; b++) byBand[b * terms + t] = coefficients[t * bands + b];
  return { form: 'polynomial', degree, bands, scale, coefficients: byBand };
};

/**
 * Squared error of each band of coefficients W, [terms·bands], on the pixels of some normal equations.
 * @param constants Σy² of each band
 */
export const squaredErrors = (
  { terms, bands, gram, cross }: NormalEquations,
  constants: readonly number[],
  coefficients: Float64Array,
): number[] =>
  constants.map((constant, b) => {
    let error = constant;
    for (let i = 0; i < terms; i++) {
      let row = 0;
      for (let k = 0; k < terms; k++) row += gram[i * terms + k] * coefficients[k * bands + b];
      error += coefficients[i * bands + b] * (row - 2 * cross[i * bands + b]);
    }
    return Math.max(0, error);
  });
