import { Fault } from '../fault.js';
import type { PatchPixels } from './patch.js';
import { polynomialTerms } from './polynomial-terms.js';

/** What is counted of all bands together, beside the statistics of each band. */
export interface JointShape {
  /** Highest degree of a polynomial of all bands that the moments determine. */
  degree: 1 | 2 | 3;
  /** Bins along each axis of a joint histogram, over [0, bandMax]. */
  bins: number;
}

/** Moments of a patch at most: minutes of counting for a thousand patches. */
const mostMoments = 10_000;

/** Bands up to which moments of degree 3 are counted for any model: 354 numbers a patch for four. */
const cheap = 4;

/**
 * The shape for a model that fits polynomials of this degree. That of few bands is the same for all models, so that one pass
 * over the pixels serves them all.
 *
 * @throws Fault for more bands than such moments can be counted of
 */
export const jointShape = (bands: number, degree: 1 | 2 | 3): JointShape => {
  const shape: JointShape = { degree: bands <= cheap ? 3 : degree, bins: 32 };
  const { sourceMoments } = jointWidths(bands, shape);
  if (sourceMoments > mostMoments)
    throw new Fault(
      `model.degree: ${degree}; of ${bands} bands that is ${sourceMoments} moments a patch, take ${degree - 1}`,
    );
  return shape;
};

/**
 * Joint statistics of P patches × C bands in contiguous arrays, a row for each patch. With x the source bands, each clipped
 * to [0, bandMax] and divided by bandMax, y the target in stored units, and xᵗ the terms of {@link polynomialTerms}:
 */
export interface JointColumns {
  /** Σ xᵗ over the terms up to twice the degree, [P · terms(2·degree)]; the first is the count of valid pixels. */
  sourceMoments: Float64Array;
  /** Σ y·xᵗ of each target band over the terms up to the degree, [P · C · terms(degree)]. */
  crossMoments: Float64Array;
  /** Counts of each pair of source bands, lower band first, [P · pairs · bins²]; values outside are in the last bin. */
  jointHistogram: Uint32Array;
  /**
   * Counts of the normalised difference (a − b)/(a + b) of each pair of source bands, such as NDVI's, in equal bins over
   * [−1, 1], [P · pairs · {@link differenceBins}]; haze and sensor change ratios of bands more than their values.
   */
  differenceHistogram: Uint32Array;
}

/** The columns that tell of source pixels alone: what is known of a tile without a target. */
export type JointCounts<A = Uint32Array> = Record<'jointHistogram' | 'differenceHistogram', A>;

/** Bins of a normalised difference. */
export const differenceBins = 64;

/** Numbers that a patch has in each column. */
export const jointWidths = (
  bands: number,
  { degree, bins }: JointShape,
): Record<keyof JointColumns, number> => ({
  sourceMoments: polynomialTerms(bands, 2 * degree).length,
  crossMoments: bands * polynomialTerms(bands, degree).length,
  jointHistogram: ((bands * (bands - 1)) / 2) * bins * bins,
  differenceHistogram: ((bands * (bands - 1)) / 2) * differenceBins,
});

/** How the moments of a degree are computed from products of two terms. */
interface Plan {
  terms: number;
  /** Each term but the constant is an earlier one times a band. */
  earlier: Int32Array;
  band: Int32Array;
  /** Terms up to twice the degree, each the product of two. */
  left: Int32Array;
  right: Int32Array;
}

const plans = new Map<string, Plan>();

const planOf = (bands: number, degree: number): Plan => {
  const key = `${bands}/${degree}`;
  const known = plans.get(key);
  if (known) return known;
  const terms = polynomialTerms(bands, degree);
  const at = new Map(terms.map((term, t) => [term.join(), t]));
  const indexOf = (term: readonly number[]): number => at.get(term.join())!;
  const products = polynomialTerms(bands, 2 * degree);
  const plan: Plan = {
    terms: terms.length,
    earlier: Int32Array.from(terms, (term) => indexOf(term.slice(0, -1))),
    band: Int32Array.from(terms, (term) => term.at(-1) ?? 0),
    left: Int32Array.from(products, (term) => indexOf(term.slice(0, degree))),
    right: Int32Array.from(products, (term) => indexOf(term.slice(degree))),
  };
  plans.set(key, plan);
  return plan;
};

/** Pixels whose terms are at hand together: small enough for the cache of a core. */
const block = 512;

/** Σ a·b over `count` values; four sums, as one would wait for each addition. */
const dot = (a: Float64Array, atA: number, b: Float64Array, atB: number, count: number): number => {
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  const whole = count & ~3;
  let i = 0;
  for (; i < whole; i += 4) {
    s0 += a[atA + i] * b[atB + i];
    s1 += a[atA + i + 1] * b[atB + i + 1];
    s2 += a[atA + i + 2] * b[atB + i + 2];
    s3 += a[atA + i + 3] * b[atB + i + 3];
  }
  for (; i < count; i++) s0 += a[atA + i] * b[atB + i];
  return s0 + s1 + (s2 + s3);
};

const clip = (value: number, max: number): number => (value < 0 ? 0 : value > max ? max : value);

/** Adds one pixel, its source bands clipped to [0, bandMax], to the joint counts of an image. */
export const pairCounter = (
  bandMax: readonly number[],
  { bins }: JointShape,
  { jointHistogram, differenceHistogram }: JointCounts<Uint32Array | Float64Array>,
): ((clipped: ArrayLike<number>) => void) => {
  const bands = bandMax.length;
  const perUnit = bandMax.map((max) => bins / max);
  const bin = new Int32Array(bands);
  return (clipped) => {
    for (let b = 0; b < bands; b++) bin[b] = Math.min(bins - 1, Math.floor(clipped[b] * perUnit[b]));
    let pair = 0;
    for (let a = 0; a < bands; a++)
      for (let b = a + 1; b < bands; b++, pair++) {
        jointHistogram[(pair * bins + bin[a]) * bins + bin[b]]++;
        const sum = clipped[a] + clipped[b];
        const difference = sum > 0 ? (clipped[a] - clipped[b]) / sum : 0;
        const at = Math.min(differenceBins - 1, Math.floor(((difference + 1) * differenceBins) / 2));
        differenceHistogram[pair * differenceBins + at]++;
      }
  };
};

/** Adds the valid pixels of a patch to its columns. */
const addPixels = (
  { source, target, mask, width, height }: PatchPixels,
  bandMax: readonly number[],
  shape: JointShape,
  columns: JointColumns,
): void => {
  const { sourceMoments, crossMoments } = columns;
  const { degree } = shape;
  const bands = bandMax.length;
  const size = width * height;
  const addPair = pairCounter(bandMax, shape, columns);
  const clipped = new Float64Array(bands);
  const { terms, earlier, band, left, right } = planOf(bands, degree);
  const x = new Float64Array(bands * block);
  const y = new Float64Array(bands * block);
  const values = new Float64Array(terms * block);
  for (let from = 0; from < size; from += block) {
    let count = 0;
    for (let i = from; i < Math.min(size, from + block); i++) {
      if (mask[i] === 0) continue;
      for (let b = 0; b < bands; b++) {
        clipped[b] = clip(source[b * size + i], bandMax[b]);
        x[b * block + count] = clipped[b] / bandMax[b];
        y[b * block + count] = target[b * size + i];
      }
      addPair(clipped);
      count++;
    }
    values.fill(1, 0, count);
    for (let t = 1; t < terms; t++) {
      const [into, of, by] = [t * block, earlier[t] * block, band[t] * block];
      for (let i = 0; i < count; i++) values[into + i] = values[of + i] * x[by + i];
    }
    for (let t = 0; t < left.length; t++)
      sourceMoments[t] += dot(values, left[t] * block, values, right[t] * block, count);
    for (let b = 0; b < bands; b++)
      for (let t = 0; t < terms; t++)
        crossMoments[b * terms + t] += dot(y, b * block, values, t * block, count);
  }
};

/** Joint statistics of one patch: columns of one row. */
export const jointColumns = (
  pixels: PatchPixels,
  bandMax: readonly number[],
  shape: JointShape,
): JointColumns => {
  const widths = jointWidths(bandMax.length, shape);
  const columns: JointColumns = {
    sourceMoments: new Float64Array(widths.sourceMoments),
    crossMoments: new Float64Array(widths.crossMoments),
    jointHistogram: new Uint32Array(widths.jointHistogram),
    differenceHistogram: new Uint32Array(widths.differenceHistogram),
  };
  addPixels(pixels, bandMax, shape, columns);
  return columns;
};
