import { jointShape } from '../dataset/joint-statistics.js';
import { polynomialTerms } from '../dataset/polynomial-terms.js';
import { sumJoint } from '../dataset/statistics-table.js';
import {
  type ErrorRegression,
  errorTensors,
  expectedErrorOf,
  fitErrorRegression,
  readErrorRegression,
} from './expected-error.js';
import { type NormalEquations, normalEquations, solveNormal, squaredErrors } from './joint-fit.js';
import {
  fitTileRegression,
  kernelSettings,
  predictTile,
  readRegression,
  regressionParameters,
  regressionTensors,
  type TileRegression,
  validationTiles,
} from './kernel-regression.js';
import { cholesky, solveCholesky } from './linear-algebra.js';
import type { Mapping } from './mapping.js';
import { makeModel, z } from './model.js';
import { tensorReader } from './tensor-values.js';

type Degree = 1 | 2 | 3;

/**
 * What is fitted: the mean mapping of each band, a polynomial of all bands, [bands·terms]; and a regression from a tile to the
 * correction of its linear part, [bands·(1 + bands)] in whitened coordinates z, which adds Uᵀz.
 */
interface GpLinear {
  degree: Degree;
  mean: Float64Array;
  /** U, lower triangular, [(1 + bands)²]: whitens the linear terms of a typical pixel. */
  whitening: Float64Array;
  correction: TileRegression;
  error: ErrorRegression;
}

/** What some pixels say of the correction of a mean mapping, in whitened coordinates: A·z = r for each band. */
interface Evidence {
  n: number;
  /** [size·size] */
  a: Float64Array;
  /** [bands][size] */
  r: Float64Array[];
}

/** U with U·S·Uᵀ = I, for the mean XᵀX of the linear terms. */
const whiten = ({ terms, n, gram }: NormalEquations): Float64Array => {
  const factor = Float64Array.from(gram, (value, at) => value / n + (at % (terms + 1) === 0 ? 1e-7 : 0));
  // bands that say the same leave nothing to the later one
  for (let ridge = 1e-6; !cholesky(factor, terms); ridge *= 10)
    for (const at of gram.keys()) factor[at] = gram[at] / n + (at % (terms + 1) === 0 ? ridge : 0);
  // the inverse of the lower triangle, column by column
  const inverse = new Float64Array(terms * terms);
  for (let c = 0; c < terms; c++)
    for (let i = c; i < terms; i++) {
      let sum = i === c ? 1 : 0;
      for (let k = c; k < i; k++) sum -= factor[i * terms + k] * inverse[k * terms + c];
      inverse[i * terms + c] = sum / factor[i * terms + i];
    }
  return inverse;
};

/** The evidence of some pixels about the linear part of a polynomial with coefficients `mean`, [terms·bands]. */
const evidenceOf = (
  { terms, bands, n, gram, cross }: NormalEquations,
  mean: Float64Array,
  whitening: Float64Array,
): Evidence => {
  const size = bands + 1;
  const a = new Float64Array(size * size);
  for (let i = 0; i < size; i++)
    for (let j = 0; j < size; j++)
      for (let k = 0; k <= i; k++)
        for (let l = 0; l <= j; l++)
          a[i * size + j] += whitening[i * size + k] * gram[k * terms + l] * whitening[j * size + l];
  const r = Array.from({ length: bands }, (_, b) => {
    const rest = Float64Array.from({ length: size }, (_, i) => {
      let sum = cross[i * bands + b];
      for (let k = 0; k < terms; k++) sum -= gram[i * terms + k] * mean[k * bands + b];
      return sum;
    });
    return rest.map((_, i) => {
      let sum = 0;
      for (let k = 0; k <= i; k++) sum += whitening[i * size + k] * rest[k];
      return sum;
    });
  });
  return { n, a, r };
};

/** Solves (A + added) z = r for each band, [bands][size]. */
const solveEvidence = ({ a, r }: Evidence, added: Float64Array): Float64Array[] => {
  const size = r[0].length;
  const factor = a.map((value, at) => value + added[at]);
  return cholesky(factor, size)
    ? r.map((right) => {
        const solution = right.slice();
        solveCholesky(factor, size, solution, 1);
        return solution;
      })
    : r.map(() => new Float64Array(size));
};

const diagonal = (size: number, value: number): Float64Array =>
  Float64Array.from({ length: size * size }, (_, at) => (at % (size + 1) === 0 ? value : 0));

/**
 * How tiles differ from the mean mapping, as the inverse of the corrections' second moments: of corrections that are barely
 * held back, each band scaled to one and the bands averaged.
 */
const priorPrecision = (evidence: readonly Evidence[], size: number): Float64Array => {
  const bands = evidence[0].r.length;
  const moments = Array.from({ length: bands }, () => new Float64Array(size * size));
  for (const own of evidence)
    for (const [b, x] of solveEvidence(own, diagonal(size, 0.03 * Math.max(1, own.n))).entries())
      for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) moments[b][i * size + j] += x[i] * x[j];
  const prior = diagonal(size, 1e-4);
  for (const moment of moments) {
    let trace = 0;
    for (let i = 0; i < size; i++) trace += moment[i * size + i];
    if (trace > 0)
      for (let at = 0; at < prior.length; at++) prior[at] += (size / bands) * (moment[at] / trace);
  }
  cholesky(prior, size);
  const inverse = diagonal(size, 1);
  solveCholesky(prior, size, inverse, size);
  return inverse;
};

/** The error that a correction takes away from the mean mapping's: z·A·z − 2·r·z, negative where it helps. */
const gainOf = ({ a, r }: Evidence, band: number, correction: Float64Array): number => {
  const size = correction.length;
  let error = 0;
  for (let i = 0; i < size; i++) {
    let row = 0;
    for (let j = 0; j < size; j++) row += a[i * size + j] * correction[j];
    error += correction[i] * (row - 2 * r[band][i]);
  }
  return error;
};

/**
 * A mapping of all bands for each tile, by a Gaussian process over what tiles look like. Each target band has a mean mapping,
 * a polynomial of all source bands over all tiles, and the process predicts how a tile departs from its linear part. What
 * a training patch says of its own departure is weighed against how tiles differ at all (an empirical prior, with a constant
 * amount of evidence, so that small patches are held back more). Degree, evidence, kernel scale and noise are chosen for each
 * band on the validation list, tiles predicted without their own training patches; a higher degree has to be better by more
 * than chance, as it errs without bound beyond the values that it has seen. In closed form, without seeds.
 */
export const gpLinear = makeModel({
  kind: 'gp-linear',
  settings: {
    ...kernelSettings('matern', { ratio: 0.2, level: 0.1, joint: 0.2 }, [0.125, 0.25, 0.5, 1, 2]),
    degree: z
      .array(z.union([z.literal(1), z.literal(2), z.literal(3)]))
      .min(1)
      .default([1, 2, 3])
      .describe(
        'Degrees of the mean mapping to choose from; the lowest that is not worse by more than chance.',
      ),
    evidence: z
      .array(z.number().positive())
      .min(1)
      .default([0.003, 0.01, 0.03, 0.1])
      .describe('How many mean patches of evidence the prior is worth.'),
  },
  joint: ({ settings, data }) => jointShape(data.bands.length, Math.max(...settings.degree) as Degree),
  fit: ({ settings, data, sums, patches }): GpLinear => {
    const bands = data.bands.length;
    const size = bands + 1;
    const { table, rows } = patches;
    const degrees = settings.degree.toSorted((a, b) => a - b);
    const whitening = whiten(normalEquations(sums.joint!, 1));
    const means = degrees.map((degree) => solveNormal(normalEquations(sums.joint!, degree)));
    const meanCount = sums.joint!.sourceMoments[0] / rows.train.length;

    // candidates: degrees × amounts of evidence
    const training = rows.train.map((row) => sumJoint(table, [row])!);
    const candidates = degrees.flatMap((degree, d) => {
      const evidence = training.map((own) => evidenceOf(normalEquations(own, degree), means[d], whitening));
      const precision = priorPrecision(evidence, size);
      return settings.evidence.map((amount) => {
        const added = precision.map((value) => amount * meanCount * value);
        const solved = evidence.map((own) => solveEvidence(own, added));
        return data.bands.map((_, b) => Float64Array.from(solved.flatMap((own) => [...own[b]])));
      });
    });

    const validation = new Map(
      [...validationTiles(patches)].map(([tile, own]) => {
        const joint = sumJoint(table, own)!;
        const constants = patches.sum(own).bands.map(({ moments }) => moments.yy);
        const ofDegree = degrees.map((degree, d) => {
          const equations = normalEquations(joint, degree);
          const before = squaredErrors(equations, constants, means[d]);
          return { before, evidence: evidenceOf(equations, means[d], whitening) };
        });
        return [tile, ofDegree];
      }),
    );
    const degreeOf = (candidate: number): number => Math.floor(candidate / settings.evidence.length);
    const { regression, chosen, leftOut } = fitTileRegression(
      patches,
      bands,
      settings,
      candidates,
      (tile, correction, band, candidate) => {
        const { before, evidence } = validation.get(tile)![degreeOf(candidate)];
        return before[band] + gainOf(evidence, band, correction);
      },
      degreeOf,
    );

    // errors on tiles that were not seen
    const unseen = leftOut();
    const rmseOf = (
      before: readonly number[],
      evidence: Evidence,
      predicted: readonly Float64Array[],
      band: number,
    ): number =>
      Math.sqrt(
        Math.max(0, before[band] + gainOf(evidence, band, predicted[band])) / Math.max(1, evidence.n),
      );
    const error = fitErrorRegression(patches, bands, settings, {
      val: new Map(
        [...unseen.val].map(([tile, predicted]) => [
          tile,
          data.bands.map((_, b) => {
            const { before, evidence } = validation.get(tile)![degreeOf(chosen[b])];
            return rmseOf(before, evidence, predicted, b);
          }),
        ]),
      ),
      train: unseen.train.map(({ index, predicted }) => {
        const constants = patches.sum([rows.train[index]]).bands.map(({ moments }) => moments.yy);
        const rmse = data.bands.map((_, b) => {
          const d = degreeOf(chosen[b]);
          const equations = normalEquations(training[index], degrees[d]);
          const evidence = evidenceOf(equations, means[d], whitening);
          return rmseOf(squaredErrors(equations, constants, means[d]), evidence, predicted, b);
        });
        return { index, rmse };
      }),
    });

    // the means that the bands took, side by side
    const degree = Math.max(...chosen.map((candidate) => degrees[degreeOf(candidate)])) as Degree;
    const terms = polynomialTerms(bands, degree).length;
    const mean = new Float64Array(bands * terms);
    for (const [b, candidate] of chosen.entries()) {
      const own = means[degreeOf(candidate)];
      for (let t = 0; t < own.length / bands; t++) mean[b * terms + t] = own[t * bands + b];
    }
    return { degree, mean, whitening, correction: regression, error };
  },
  mapping: ({ degree, mean, whitening, correction, error }, tile, { data }): Mapping => {
    const bands = data.bands.length;
    const size = bands + 1;
    const terms = mean.length / bands;
    const coefficients = mean.slice();
    const predicted = predictTile(correction, tile);
    for (let b = 0; b < bands; b++)
      for (let i = 0; i < size; i++)
        for (let k = 0; k <= i; k++)
          coefficients[b * terms + k] += whitening[i * size + k] * predicted[b * size + i];
    return {
      form: 'polynomial',
      degree,
      bands,
      scale: data.bandMax,
      max: data.bandMax,
      coefficients,
      expected: expectedErrorOf(error, tile),
    };
  },
  tensors: ({ mean, whitening, correction, error }) => {
    const size = Math.sqrt(whitening.length);
    const bands = size - 1;
    return new Map([
      ['mean', { dtype: 'F64', shape: [bands, mean.length / bands], data: mean }],
      ['whitening', { dtype: 'F64', shape: [size, size], data: whitening }],
      ...regressionTensors(correction),
      ...errorTensors(error),
    ]);
  },
  restore: (tensors, { settings, data }) => {
    const bands = data.bands.length;
    const size = bands + 1;
    const terms = tensors.get('mean')?.shape[1];
    const degree = ([1, 2, 3] as const).find((one) => polynomialTerms(bands, one).length === terms) ?? 1;
    const { read, check } = tensorReader(tensors);
    const mean = read('mean', 'F64', bands, polynomialTerms(bands, degree).length);
    const whitening = read('whitening', 'F64', size, size);
    check();
    const correction = readRegression(tensors, settings, bands, Array(bands).fill(size));
    return { degree, mean, whitening, correction, error: readErrorRegression(tensors, settings, bands) };
  },
  parameters: ({ mean, correction }) => mean.length + regressionParameters(correction),
});
