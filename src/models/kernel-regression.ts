import { seededRandom } from '../config/random.js';
import { Fault } from '../fault.js';
import { sampleSd } from '../sample-sd.js';
import {
  exponents,
  fitKernelRidge,
  type KernelName,
  type KernelRidge,
  kernelOf,
  kernels,
  medianDistance,
  predictKernelRidge,
  predictLeftOut,
  type Samples,
  sampledFeature,
  someSamples,
} from './kernel-ridge.js';
import { type ModelPatches, type Tensors, type Tile, z } from './model.js';
import type { Tensor } from './tensor-file.js';
import { doubles, tensorReader } from './tensor-values.js';
import { type FeatureName, featureNames, features } from './tile-features.js';

/** Settings that the kernel models share. Lists are candidates: the validation list decides among them. */
export const kernelSettings = (
  kernel: KernelName,
  weights: Partial<Record<FeatureName, number>>,
  scales: number[],
) => ({
  kernel: z
    .enum(Object.keys(kernels) as KernelName[])
    .default(kernel)
    .describe('How likeness falls with the distance between tiles.'),
  features: z
    .strictObject({
      share: z
        .number()
        .min(0)
        .default(weights.share ?? 0)
        .describe(
          'The kernel’s exponent at the median distance of the training patches by the shares of each histogram’s bins; 0 leaves it out.',
        ),
      quantile: z
        .number()
        .min(0)
        .default(weights.quantile ?? 0)
        .describe(
          'The kernel’s exponent at the median distance of the training patches by 40 quantiles of each band; 0 leaves it out.',
        ),
      level: z
        .number()
        .min(0)
        .default(weights.level ?? 0)
        .describe(
          'The kernel’s exponent at the median distance of the training patches by nine quantiles of each band, standardised; 0 leaves it out.',
        ),
      joint: z
        .number()
        .min(0)
        .default(weights.joint ?? 0)
        .describe(
          'The kernel’s exponent at the median distance of the training patches by the joint histograms of pairs of bands; 0 leaves it out.',
        ),
      ratio: z
        .number()
        .min(0)
        .default(weights.ratio ?? 0)
        .describe(
          'The kernel’s exponent at the median distance of the training patches by nine quantiles of the normalised difference of pairs of bands, standardised; 0 leaves it out.',
        ),
    })
    .prefault({}),
  scale: z
    .array(z.number().positive())
    .min(1)
    .default(scales)
    .describe('What all exponents are multiplied by.'),
  ridge: z
    .array(z.number().positive())
    .min(1)
    .default([0.01, 0.03, 0.1, 0.3, 1])
    .describe("α: noise that is added to the kernel's diagonal."),
  centres: z
    .int()
    .min(1)
    .max(20_000)
    .default(5000)
    .describe(
      'Training patches that span the regression at most; more are fitted on as many of them (Nyström), drawn by chance.',
    ),
});

export interface KernelSettings {
  kernel: KernelName;
  features: Record<FeatureName, number>;
  scale: readonly number[];
  ridge: readonly number[];
  centres: number;
}

/** Whether these settings need the joint statistics of a tile. */
export const needsJoint = (settings: Pick<KernelSettings, 'features'>): boolean =>
  featureNames.some((name) => settings.features[name] > 0 && features[name].joint);

/** How a tile becomes a sample: features by name, and by what those that are standardised are shifted and divided. */
interface Sampling {
  names: readonly FeatureName[];
  bands: number;
  /** [width] of each feature; 0 and 1 where it is taken as it is. */
  mean: readonly Float64Array[];
  spread: readonly Float64Array[];
  weights: readonly number[];
}

/** A kernel regression from tiles to numbers; the parts give these one after the other, with kernels of their own. */
export interface TileRegression {
  sampling: Sampling;
  centres: Samples;
  parts: readonly KernelRidge[];
}

/** One candidate of what the regression is to predict, by part: [patches·outputs of the part] each. */
export type TargetCandidate = readonly Float64Array[];

/** Rows that candidates are compared on at most: an inverse each. */
const comparedRows = 1000;

/** Standardised features are cut off here: one odd tile is not to stretch the kernel. */
const farthest = 5;

const sampled = (sampling: Sampling, tiles: readonly Tile[]): Samples => ({
  count: tiles.length,
  features: sampling.names.map((name, f) => {
    const [mean, spread] = [sampling.mean[f], sampling.spread[f]];
    const width = mean.length;
    const values = new Float64Array(tiles.length * width);
    for (const [i, tile] of tiles.entries())
      for (const [k, value] of features[name].of(tile, sampling.bands).entries()) {
        const shifted = features[name].standardised
          ? Math.max(-farthest, Math.min(farthest, (value - mean[k]) / spread[k]))
          : value;
        // as a weights file holds it: what is written predicts the same bits
        values[i * width + k] = Math.fround(shifted);
      }
    return sampledFeature(values, width, sampling.weights[f]);
  }),
});

const samplingOf = (
  settings: KernelSettings,
  tiles: readonly Tile[],
  bands: number,
): { sampling: Sampling; samples: Samples } => {
  const names = featureNames.filter(
    (name) => settings.features[name] > 0 && (bands > 1 || !features[name].joint),
  );
  if (names.length === 0)
    throw new Fault('model.features: all weights are 0; give one of them a weight, such as quantile=0.1');
  const [mean, spread]: Float64Array[][] = [[], []];
  for (const name of names) {
    const values = tiles.map((tile) => features[name].of(tile, bands));
    const of = (k: number, about: number, power: number): number =>
      values.reduce((sum, value) => sum + (value[k] - about) ** power, 0) / values.length;
    const own = values[0].map((_, k) => (features[name].standardised ? of(k, 0, 1) : 0));
    mean.push(own);
    spread.push(own.map((about, k) => (features[name].standardised ? Math.sqrt(of(k, about, 2)) + 1e-9 : 1)));
  }
  const plain = { names, bands, mean, spread, weights: names.map(() => 1) };
  const samples = sampled(plain, tiles);
  const weights = names.map((name, f) => settings.features[name] / medianDistance(samples.features[f]));
  return {
    sampling: { ...plain, weights },
    samples: {
      ...samples,
      features: samples.features.map((feature, f) => ({ ...feature, weight: weights[f] })),
    },
  };
};

/** Rows of the validation list, by tile. */
export const validationTiles = ({ rows, table }: ModelPatches): Map<string, number[]> => {
  const groups = new Map<string, number[]>();
  for (const row of rows.val) groups.set(table.tiles[row], [...(groups.get(table.tiles[row]) ?? []), row]);
  return groups;
};

interface Choice {
  scale: number;
  ridge: number;
  candidate: number;
  error: number;
  /** Of each validation tile. */
  errors: Float64Array;
  /** What it predicts for each validation tile. */
  predicted: Float64Array[];
}

/** Where no choice has a finite error. */
const undecided: Choice = {
  ...{ scale: 1, ridge: 1, candidate: 0, error: Number.POSITIVE_INFINITY },
  ...{ errors: new Float64Array(), predicted: [] },
};

/**
 * The one-standard-error rule (Breiman et al. 1984), tiles paired: of choices that grow more complex, the simplest whose mean
 * error does not lie above the least by more than the standard error of the difference. From one tile alone that error is
 * not known, and the simplest choice stands.
 */
const simplest = (choices: readonly Choice[]): Choice => {
  const least = choices.reduce((a, b) => (b.error < a.error ? b : a), undecided);
  // for sums over n tiles, the standard error is sd · √n
  const isNear = ({ error, errors }: Choice): boolean => {
    const sd = sampleSd(Array.from(errors, (own, i) => own - least.errors[i]));
    return sd === null || error - least.error <= sd * Math.sqrt(errors.length);
  };
  return choices.find(isNear) ?? least;
};

/** Predictions for tiles that a regression has not seen, by part: how good it is where it is asked in earnest. */
export interface LeftOut {
  /** Of validation tiles by name, without their own training patches: [parts][outputs]. */
  val: ReadonlyMap<string, Float64Array[]>;
  /** Of training patches, without the patches of their tile: indices into `rows.train`, and [parts][outputs] of each. */
  train: readonly { index: number; predicted: Float64Array[] }[];
}

/**
 * Fits a kernel regression from what tiles look like to numbers. For each part by itself the kernel's scale, the ridge and
 * the candidate of its targets are those with the least error on the validation list, each tile predicted without its own
 * training patches: patches of one tile share haze and sensor, so a model that knows one knows the other.
 *
 * @param judge error of one part on a validation tile, summed over these: what it predicts for a candidate
 * @param complexity of a candidate, 0 being the simplest: a more complex one has to be better by more than chance
 * @returns the regression, the candidate that each part took, and predictions for tiles left out
 * @throws Fault where no feature has a weight
 */
export const fitTileRegression = (
  patches: ModelPatches,
  bands: number,
  settings: KernelSettings,
  candidates: readonly TargetCandidate[],
  judge: (tile: string, predicted: Float64Array, part: number, candidate: number) => number,
  complexity: (candidate: number) => number = () => 0,
): { regression: TileRegression; chosen: number[]; leftOut: () => LeftOut } => {
  const { train, val } = patches.rows;
  const { tiles } = patches.table;
  const { sampling, samples } = samplingOf(settings, train.map(patches.patch), bands);
  const random = seededRandom('kernel', train.length);
  const some = (size: number): number[] => {
    const all = train.map((_, i) => i);
    if (all.length <= size) return all;
    return random
      .shuffled(all)
      .slice(0, size)
      .sort((a, b) => a - b);
  };
  const widths = candidates[0].map((values) => values.length / train.length);

  // what the validation list says
  const rows = some(comparedRows);
  const compared = rows.length === train.length ? samples : someSamples(samples, rows);
  const valTiles = [...new Set(val.map((row) => tiles[row]))];
  const between = exponents(compared, compared);
  const towards = exponents(sampled(sampling, valTiles.map(patches.tile)), compared);
  const without = valTiles.map((tile) => rows.flatMap((row, i) => (tiles[train[row]] === tile ? [i] : [])));
  // all candidates and parts side by side: one inverse serves them
  const columns = candidates.flatMap((parts, candidate) =>
    parts.map((values, part) => ({ candidate, part, values, width: widths[part] })),
  );
  const wide = columns.reduce((sum, { width }) => sum + width, 0);
  const all = new Float64Array(rows.length * wide);
  let at = 0;
  for (const { values, width } of columns) {
    for (const [i, row] of rows.entries())
      all.set(values.subarray(row * width, (row + 1) * width), i * wide + at);
    at += width;
  }
  // of each part, by complexity
  const found = widths.map((): Choice[] => []);
  for (const scale of settings.scale) {
    const kernel = kernelOf(settings.kernel, between, scale);
    const cross = kernelOf(settings.kernel, towards, scale);
    for (const ridge of settings.ridge) {
      const predicted = predictLeftOut(kernel, cross, all, wide, ridge, without);
      let from = 0;
      for (const { candidate, part, width } of columns) {
        const errors = Float64Array.from(valTiles, (tile, i) =>
          judge(tile, predicted[i].subarray(from, from + width), part, candidate),
        );
        const error = errors.reduce((sum, value) => sum + value, 0);
        const level = complexity(candidate);
        if (error < (found[part][level] ?? undecided).error) {
          const own = predicted.map((values) => values.slice(from, from + width));
          found[part][level] = { scale, ridge, candidate, error, errors, predicted: own };
        }
        from += width;
      }
    }
  }
  // a complexity without a finite error is a hole
  const best = found.map((choices) => simplest(choices.flat()));
  const centreRows = some(settings.centres);
  const centres = centreRows.length === train.length ? samples : someSamples(samples, centreRows);
  const parts = best.map(({ scale, ridge, candidate }, part) =>
    fitKernelRidge(
      { kernel: settings.kernel, scale, ridge },
      samples,
      candidates[candidate][part],
      widths[part],
      centres,
      compared === samples ? between : undefined,
    ),
  );
  const leftOut = (): LeftOut => {
    const ofTile = (row: number): number[] =>
      rows.flatMap((other, i) => (tiles[train[other]] === tiles[train[row]] ? [i] : []));
    const alike = rows.map(ofTile);
    const training = best.map(({ scale, ridge, candidate }, part) => {
      const width = widths[part];
      const values = new Float64Array(rows.length * width);
      for (const [i, row] of rows.entries())
        values.set(candidates[candidate][part].subarray(row * width, (row + 1) * width), i * width);
      const kernel = kernelOf(settings.kernel, between, scale);
      return predictLeftOut(kernel, kernel, values, width, ridge, alike);
    });
    return {
      val: new Map(valTiles.map((tile, i) => [tile, best.map(({ predicted }) => predicted[i])])),
      train: rows.map((index, i) => ({ index, predicted: training.map((part) => part[i]) })),
    };
  };
  return {
    regression: { sampling, centres, parts },
    chosen: best.map(({ candidate }) => candidate),
    leftOut,
  };
};

/** What a regression makes of a tile: the numbers of its parts, one part after the other. */
export const predictTile = ({ sampling, centres, parts }: TileRegression, tile: Tile): Float64Array => {
  const towards = exponents(sampled(sampling, [tile]), centres);
  return Float64Array.from(parts.flatMap((part) => [...predictKernelRidge(part, towards)]));
};

/** Values that a regression holds beside its centres. */
export const regressionParameters = ({ parts }: TileRegression): number =>
  parts.reduce((sum, { dual, mean }) => sum + dual.length + mean.length, 0);

/**
 * A regression as tensors: of each feature `kernel.<feature>` (F32, [centres, width]), its `.mean` and `.spread` (F64, [width])
 * and `.weight` ([1]); of each part i `kernel.i.settings` (F64: scale, ridge), `kernel.i.mean` and `kernel.i.dual` (F64,
 * [outputs], [centres, outputs]).
 * @param prefix instead of `kernel`, where a model holds more than one
 */
export const regressionTensors = ({ sampling, centres, parts }: TileRegression, prefix = 'kernel'): Tensors =>
  new Map<string, Tensor>([
    ...sampling.names.flatMap((name, f): [string, Tensor][] => {
      const { values, width } = centres.features[f];
      const data = Float32Array.from(values);
      return [
        [`${prefix}.${name}`, { dtype: 'F32', shape: [centres.count, width], data }],
        [`${prefix}.${name}.mean`, doubles(sampling.mean[f], width)],
        [`${prefix}.${name}.spread`, doubles(sampling.spread[f], width)],
        [`${prefix}.${name}.weight`, doubles(Float64Array.of(sampling.weights[f]), 1)],
      ];
    }),
    ...parts.flatMap(({ scale, ridge, outputs, mean, dual }, i): [string, Tensor][] => [
      [`${prefix}.${i}.settings`, doubles(Float64Array.of(scale, ridge), 2)],
      [`${prefix}.${i}.mean`, doubles(mean, outputs)],
      [`${prefix}.${i}.dual`, doubles(dual, centres.count, outputs)],
    ]),
  ]);

/**
 * Reads back {@link regressionTensors}.
 *
 * @param outputs of each part
 * @throws Fault that names every tensor that is missing, of another shape or type, or not finite
 */
export const readRegression = (
  tensors: Tensors,
  { kernel }: Pick<KernelSettings, 'kernel'>,
  bands: number,
  outputs: readonly number[],
  prefix = 'kernel',
): TileRegression => {
  const names = featureNames.filter((name) => tensors.has(`${prefix}.${name}`));
  if (names.length === 0) throw new Fault(`weights: lack ${prefix}.<feature>; is it of this model?`);
  const { read, check } = tensorReader(tensors);
  const count = tensors.get(`${prefix}.0.dual`)?.shape[0] ?? 0;
  const read1 = (what: string) =>
    names.map((name) =>
      read(`${prefix}.${name}.${what}`, 'F64', tensors.get(`${prefix}.${name}`)!.shape[1] ?? 0),
    );
  const [mean, spread] = [read1('mean'), read1('spread')];
  const weights = names.map((name) => read(`${prefix}.${name}.weight`, 'F64', 1)[0]);
  const centres: Samples = {
    count,
    features: names.map((name, f) => {
      const values = read(`${prefix}.${name}`, 'F32', count, null);
      return sampledFeature(values, values.length / count, weights[f]);
    }),
  };
  const parts = outputs.map((width, i): KernelRidge => {
    const [scale, ridge] = read(`${prefix}.${i}.settings`, 'F64', 2);
    const dual = read(`${prefix}.${i}.dual`, 'F64', count, width);
    return { kernel, scale, ridge, outputs: width, mean: read(`${prefix}.${i}.mean`, 'F64', width), dual };
  });
  check();
  return { sampling: { names, bands, mean, spread, weights }, centres, parts };
};
