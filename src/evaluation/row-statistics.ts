import { rmse } from '../metrics/rmse.js';
import { sampleSd } from '../sample-sd.js';
import { defaultDraws, type Interval, percentileInterval, tileDraws } from './bootstrap.js';
import { type Bound, columnMetrics, gapBound, gapClosed } from './comparison-table.js';
import { holm, type PairedDifference, pairedDifference } from './paired-comparison.js';
import { pooledDraws, scoreDraws, scoresOf, tileScores, tileSums } from './pooled-draws.js';
import type { TileRecord } from './tile-record.js';

/** One row of a table: a configuration with all its seeds. */
export interface SeededModel {
  label: string;
  /** What it sees of the target that it is tested on; bounds compete for nothing. */
  bound?: Bound;
  /** False: its validation error was still falling when training ended; it competes for nothing and has no p-value. */
  converged?: boolean;
  parameters: number | null;
  /** Per-tile records of each seed, in the same order of tiles everywhere. */
  seeds: readonly (readonly TileRecord[])[];
  /** Tags of the runs behind it. */
  runs: readonly string[];
  /** Runs that it lacks. */
  missing?: readonly string[];
}

/** A metric of one band or of NDVI, or its mean over bands. */
export interface Measure {
  /** The metric's. */
  name: string;
  /** Band name, `NDVI`, or `mean` (over bands). */
  channel: string;
}

/** What is known of one model and one metric. */
export interface RowStatistics {
  label: string;
  measure: Measure;
  /** Mean over seeds. */
  mean: number;
  /** Sample standard deviation over seeds; null for fewer than two. */
  sd: number | null;
  seeds: number;
  /** 95 % over bootstrap draws of tiles, of the mean over seeds. */
  interval: Interval | null;
  /** null for the baseline, for bounds and for rows that have not converged. */
  paired: (PairedDifference & { bootstrapHolm: number; wilcoxonHolm: number }) | null;
  /** How much of the gap from the baseline to the bound is closed, 1 is all; null without a bound. */
  gap: number | null;
}

/** Level of the tests: a corrected p-value at or above it is marked as not significant. */
export const significance = 0.05;

const average = (arrays: readonly ArrayLike<number>[]): Float64Array =>
  Float64Array.from(
    { length: arrays[0].length },
    (_, i) => arrays.reduce((sum, array) => sum + array[i], 0) / arrays.length,
  );

/** A metric of one model and channel. */
interface Sampled {
  measure: Measure;
  /** Of each seed. */
  values: number[];
  all: number;
  /** Mean over seeds under each draw, and on each tile. */
  draws: Float64Array;
  tiles: Float64Array;
}

/** One channel of [n][channels] scores; null: their mean over bands. */
const pick = (scores: readonly Float64Array[], channel: number | null, bands: number): Float64Array =>
  Float64Array.from(scores, (row) =>
    channel === null ? row.subarray(0, bands).reduce((sum, value) => sum + value, 0) / bands : row[channel],
  );

/**
 * Everything that the tables of seeded models say, from the records of tiles alone. All models share the same bootstrap
 * draws: differences are paired. P-values are corrected by Holm over all models that are compared with the baseline, for
 * each metric and channel by itself.
 *
 * @param baseline label of the row that the others are compared with
 * @param draws bootstrap draws (default 10 000); 0: no intervals
 */
export const rowStatistics = (
  models: readonly SeededModel[],
  bands: readonly string[],
  { baseline, draws = defaultDraws }: { baseline: string; draws?: number },
): RowStatistics[] => {
  const samples = tileDraws(models[0].seeds[0].length, draws);
  const sums = models.map(({ seeds }) => seeds.map(tileSums));
  const hasNdvi = sums.flat().every((seed) => seed.hasNdvi);
  const channels: [string, number | null][] = [
    ...bands.map((band, i): [string, number] => [band, i]),
    ['mean', null],
    ...(hasNdvi ? ([['NDVI', bands.length]] as [string, number][]) : []),
  ];
  /** All metrics and channels of a model: megabytes of draws, so that one model is looked at after the other. */
  const sample = (model: number): Sampled[] => {
    const pooled = sums[model].map((seed) => pooledDraws(seed, samples));
    return columnMetrics().flatMap((metric) => {
      const scores = sums[model].map((seed, i) => ({
        all: scoreDraws(seed, [null], metric),
        draws: scoresOf(pooled[i], metric),
        // for the signed-rank test
        tiles: tileScores(seed, metric.pooledOnly ? rmse : metric),
      }));
      return channels.map(([channel, at]): Sampled => {
        const values = scores.map(({ all }) => pick(all, at, bands.length)[0]);
        return {
          measure: { name: metric.name, channel },
          values,
          all: values.reduce((sum, value) => sum + value, 0) / values.length,
          draws: average(scores.map((seed) => pick(seed.draws, at, bands.length))),
          tiles: average(scores.map((seed) => pick(seed.tiles, at, bands.length))),
        };
      });
    });
  };
  const reference = models.findIndex(({ label }) => label === baseline);
  const against = reference < 0 ? null : sample(reference);
  const found = models.map(({ bound, converged }, model) =>
    (model === reference ? against! : sample(model)).map((one, k) => ({
      ...{ measure: one.measure, values: one.values, all: one.all },
      interval: draws > 0 ? percentileInterval(one.draws) : null,
      paired:
        against === null || model === reference || bound || converged === false
          ? null
          : pairedDifference(one, against[k]),
    })),
  );
  return (found[0] ?? []).flatMap(({ measure }, k) => {
    const column = found.map((ofModel) => ofModel[k]);
    const bound = gapBound(models, (i) => column[i].all);
    const corrected = (['bootstrap', 'wilcoxon'] as const).map((test) =>
      holm(column.map(({ paired }) => paired?.[test] ?? Number.NaN)),
    );
    return column.map(
      ({ values, all, interval, paired }, i): RowStatistics => ({
        ...{ label: models[i].label, measure, mean: all, sd: sampleSd(values), seeds: values.length },
        interval,
        paired: paired && { ...paired, bootstrapHolm: corrected[0][i], wilcoxonHolm: corrected[1][i] },
        gap:
          bound < 0 || against === null || i === bound
            ? null
            : gapClosed(all, column[reference].all, column[bound].all),
      }),
    );
  });
};
