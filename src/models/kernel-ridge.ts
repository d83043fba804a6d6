import { Fault } from '../fault.js';
import { cholesky, invertCholesky, solveCholesky } from './linear-algebra.js';

/** One feature of some samples. */
export interface SampledFeature {
  /** [samples·width] */
  values: Float64Array;
  width: number;
  /** The kernel's exponent for a squared distance of 1. */
  weight: number;
  /** |values|² of each sample, [samples]. */
  squared: Float64Array;
}

/** A feature of some samples from its values, [samples·width]. */
export const sampledFeature = (values: Float64Array, width: number, weight = 1): SampledFeature => {
  const squared = new Float64Array(values.length / width);
  for (let i = 0; i < squared.length; i++)
    for (let k = i * width; k < (i + 1) * width; k++) squared[i] += values[k] * values[k];
  return { values, width, weight, squared };
};

/** Samples as a kernel sees them. */
export interface Samples {
  count: number;
  features: readonly SampledFeature[];
}

/**
 * Kernels by name, of e = Σ weight·|a − b|² over the features: `gauss` exp(−e); `matern` (1 + r)·exp(−r) with r = √(2e),
 * Matérn's of smoothness 3/2, which takes functions to be less smooth.
 */
export const kernels = {
  gauss: (e: number): number => Math.exp(-e),
  matern: (e: number): number => {
    const r = Math.sqrt(2 * e);
    return (1 + r) * Math.exp(-r);
  },
};
export type KernelName = keyof typeof kernels;

/**
 * |a − b|² of row i of `a` with the first `to` rows of `b`, as |a|² + |b|² − 2ab: only what is not 0 in `a` is looked at, and
 * histograms are mostly zeros.
 */
const squaredDistances = (a: SampledFeature, i: number, b: SampledFeature, to: number): Float64Array => {
  const { width } = a;
  const row = a.values.subarray(i * width, (i + 1) * width);
  const index = Int32Array.from(row.keys()).filter((k) => row[k] !== 0);
  const value = Float64Array.from(index, (k) => row[k]);
  const out = new Float64Array(to);
  for (let j = 0; j < to; j++) {
    const at = j * width;
    let dot = 0;
    for (let k = 0; k < index.length; k++) dot += value[k] * b.values[at + index[k]];
    // rounding may leave less than nothing of rows that are alike
    out[j] = Math.max(0, a.squared[i] + b.squared[j] - 2 * dot);
  }
  return out;
};

/** Σ weight·|a − b|² of every sample of `a` with every one of `b`, [a.count·b.count]. */
export const exponents = (a: Samples, b: Samples): Float64Array => {
  const out = new Float64Array(a.count * b.count);
  for (const [f, feature] of a.features.entries())
    for (let i = 0; i < a.count; i++) {
      const distances = squaredDistances(feature, i, b.features[f], a === b ? i : b.count);
      for (let j = 0; j < distances.length; j++) out[i * b.count + j] += feature.weight * distances[j];
    }
  if (a === b)
    for (let i = 0; i < a.count; i++) for (let j = 0; j < i; j++) out[j * a.count + i] = out[i * a.count + j];
  return out;
};

/** A kernel of some {@link exponents}, all multiplied by `scale`. */
export const kernelOf = (name: KernelName, exponent: Float64Array, scale: number): Float64Array =>
  exponent.map((e) => kernels[name](scale * e));

/** The median of the squared distances of all pairs of samples, by which features are made comparable; 1 where it is 0. */
export const medianDistance = (feature: SampledFeature): number => {
  const count = feature.squared.length;
  const distances = new Float64Array((count * (count - 1)) / 2);
  for (let i = 1; i < count; i++) distances.set(squaredDistances(feature, i, feature, i), (i * (i - 1)) / 2);
  return distances.sort()[distances.length >> 1] || 1;
};

/** Some of the samples. */
export const someSamples = ({ features }: Samples, rows: readonly number[]): Samples => ({
  count: rows.length,
  features: features.map(({ values, width, weight }) => {
    const chosen = new Float64Array(rows.length * width);
    for (const [i, row] of rows.entries())
      chosen.set(values.subarray(row * width, (row + 1) * width), i * width);
    return sampledFeature(chosen, width, weight);
  }),
});

/** A fitted regression: prediction = mean + Σ k(sample, centre)·dual. */
export interface KernelRidge {
  kernel: KernelName;
  /** What the exponents of the centres' features are multiplied by. */
  scale: number;
  /** α: what a sample's own noise adds to the kernel's diagonal. */
  ridge: number;
  outputs: number;
  /** [outputs] */
  mean: Float64Array;
  /** [centres·outputs] */
  dual: Float64Array;
}

/** The Cholesky factor of K + ridge·I; a larger ridge where samples are too much alike for it. */
const factorOf = (kernel: Float64Array, n: number, ridge: number): Float64Array => {
  for (let added = ridge; added < 1e6; added = Math.max(1e-10, 10 * added)) {
    const factor = kernel.slice();
    for (let i = 0; i < n; i++) factor[i * n + i] += added;
    if (cholesky(factor, n)) return factor;
  }
  throw new Fault('model: its kernel is not finite; look at the histograms of the training patches');
};

const centred = (targets: Float64Array, outputs: number): { mean: Float64Array; rest: Float64Array } => {
  const mean = new Float64Array(outputs);
  const count = targets.length / outputs;
  for (let i = 0; i < targets.length; i++) mean[i % outputs] += targets[i] / count;
  return { mean, rest: targets.map((value, i) => value - mean[i % outputs]) };
};

/**
 * Kernel ridge regression from samples to `outputs` numbers each, [samples·outputs]: dual = (K + αI)⁻¹(targets − mean). With
 * fewer `centres`, some of the samples, the regression is spanned by those alone (Nyström):
 * dual = (K_cn K_nc + αK_cc)⁻¹ K_cn (targets − mean).
 *
 * @param within exponents of the samples with each other, where they are at hand
 */
export const fitKernelRidge = (
  { kernel, scale, ridge }: Pick<KernelRidge, 'kernel' | 'scale' | 'ridge'>,
  samples: Samples,
  targets: Float64Array,
  outputs: number,
  centres: Samples,
  within?: Float64Array,
): KernelRidge => {
  const { mean, rest } = centred(targets, outputs);
  const of = (a: Samples, b: Samples): Float64Array => kernelOf(kernel, exponents(a, b), scale);
  const [m, n] = [centres.count, samples.count];
  if (m === n) {
    const own = kernelOf(kernel, within ?? exponents(samples, samples), scale);
    solveCholesky(factorOf(own, n, ridge), n, rest, outputs);
    return { kernel, scale, ridge, outputs, mean, dual: rest };
  }
  const cross = of(centres, samples);
  const system = of(centres, centres).map((value) => ridge * value);
  const dual = new Float64Array(m * outputs);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let k = 0; k < n; k++) sum += cross[i * n + k] * cross[j * n + k];
      system[i * m + j] += sum;
      if (j < i) system[j * m + i] += sum;
    }
    for (let k = 0; k < n; k++)
      for (let o = 0; o < outputs; o++) dual[i * outputs + o] += cross[i * n + k] * rest[k * outputs + o];
  }
  // the smallest eigenvalues of a kernel are rounding alone
  solveCholesky(factorOf(system, m, 1e-9 * n), m, dual, outputs);
  return { kernel, scale, ridge, outputs, mean, dual };
};

/** What a regression makes of one sample whose kernel with the centres is `seen`. */
const predictFrom = (seen: ArrayLike<number>, mean: Float64Array, dual: Float64Array): Float64Array => {
  const outputs = mean.length;
  const out = mean.slice();
  for (let i = 0; i < seen.length; i++)
    for (let o = 0; o < outputs; o++) out[o] += seen[i] * dual[i * outputs + o];
  return out;
};

/** Predicts one sample, [outputs], from its {@link exponents} with the centres. */
export const predictKernelRidge = (
  { kernel, scale, mean, dual }: KernelRidge,
  towards: Float64Array,
): Float64Array => predictFrom(kernelOf(kernel, towards, scale), mean, dual);

/**
 * Predicts samples as a regression would that was fitted without some of the training samples, such as those of the same
 * tile: exact, from one inverse (blocks left out of a Gaussian process).
 *
 * @param kernel of the training samples, [training·training]
 * @param cross of the samples with the training samples, [samples·training]
 * @param without of each sample, the training samples that it must not know
 */
export const predictLeftOut = (
  kernel: Float64Array,
  cross: Float64Array,
  targets: Float64Array,
  outputs: number,
  ridge: number,
  without: readonly (readonly number[])[],
): Float64Array[] => {
  const n = targets.length / outputs;
  const { mean, rest } = centred(targets, outputs);
  const factor = factorOf(kernel, n, ridge);
  const inverse = invertCholesky(factor, n);
  solveCholesky(factor, n, rest, outputs);
  return without.map((rows, s) => {
    const seen = cross.subarray(s * n, (s + 1) * n);
    const values = predictFrom(seen, mean, rest);
    const g = rows.length;
    if (g === 0) return values;
    // what the rows left out contribute
    const block = new Float64Array(g * g);
    const contribution = new Float64Array(g);
    for (const [a, row] of rows.entries()) {
      for (const [b, other] of rows.entries()) block[a * g + b] = inverse[row * n + other];
      for (let i = 0; i < n; i++) contribution[a] += seen[i] * inverse[row * n + i];
    }
    if (cholesky(block, g)) solveCholesky(block, g, contribution, 1);
    for (const [a, row] of rows.entries())
      for (let o = 0; o < outputs; o++) values[o] -= contribution[a] * rest[row * outputs + o];
    return values;
  });
};
