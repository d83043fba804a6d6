import { rmse } from '../metrics/rmse.js';
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

/** Sample standard deviation; null for fewer than two values. */
export const sampleSd = (values: readonly number[]): number | null => {
  if (values.length < 2) return null;
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
};

const average = (arrays: readonly ArrayLike<number>[]): Float64Array =>
  Float64Array.from(
    { length: arrays[0].length },
    (_, i) => arrays.reduce((sum, array) => sum + array[i], 0) / arrays.length,
  );

/** A metric of one model and channel. */
interface Sampled {
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
  const pooled = sums.map((seeds) => seeds.map((seed) => pooledDraws(seed, samples)));
  const hasNdvi = sums.flat().every((seed) => seed.hasNdvi);
  const reference = models.findIndex(({ label }) => label === baseline);
  const channels: [string, number | null][] = [
    ...bands.map((band, i): [string, number] => [band, i]),
    ['mean', null],
    ...(hasNdvi ? ([['NDVI', bands.length]] as [string, number][]) : []),
  ];
  return columnMetrics().flatMap((metric) => {
    const scores = sums.map((seeds, model) =>
      seeds.map((seed, i) => ({
        all: scoreDraws(seed, [null], metric),
        draws: scoresOf(pooled[model][i], metric),
        // for the signed-rank test
        tiles: tileScores(seed, metric.pooledOnly ? rmse : metric),
      })),
    );
    return channels.flatMap(([channel, at]) => {
      const sampled = scores.map((seeds): Sampled => {
        const values = seeds.map(({ all }) => pick(all, at, bands.length)[0]);
        return {
          values,
          all: values.reduce((sum, value) => sum + value, 0) / values.length,
          draws: average(seeds.map((seed) => pick(seed.draws, at, bands.length))),
          tiles: average(seeds.map((seed) => pick(seed.tiles, at, bands.length))),
        };
      });
      const bound = gapBound(models, (i) => sampled[i].all);
      const compared = sampled.map((one, i) =>
        reference < 0 || i === reference || models[i].bound || models[i].converged === false
          ? null
          : pairedDifference(one, sampled[reference]),
      );
      const corrected = (['bootstrap', 'wilcoxon'] as const).map((test) =>
        holm(compared.map((paired) => paired?.[test] ?? Number.NaN)),
      );
      return sampled.map((one, i): RowStatistics => {
        const paired = compared[i];
        return {
          label: models[i].label,
          measure: { name: metric.name, channel },
          mean: one.all,
          sd: sampleSd(one.values),
          seeds: one.values.length,
          interval: draws > 0 ? percentileInterval(one.draws) : null,
          paired: paired && { ...paired, bootstrapHolm: corrected[0][i], wilcoxonHolm: corrected[1][i] },
          gap:
            bound < 0 || reference < 0 || i === bound
              ? null
              : gapClosed(one.all, sampled[reference].all, sampled[bound].all),
        };
      });
    });
  });
};
