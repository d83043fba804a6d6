import { comparisonTable, gapBound, gapClosed } from '../evaluation/comparison-table.js';
import { type RowStatistics, rowStatistics } from '../evaluation/row-statistics.js';
import type { Table } from '../evaluation/table.js';
import { meanRmse, poolTiles } from '../evaluation/tile-record.js';
import { Fault } from '../fault.js';
import type { Figure } from '../figures/figure.js';
import { intervalPlot } from '../figures/interval-plot.js';
import { bandLabel, inReflectance, okabeIto } from '../figures/theme.js';
import { seededModels } from '../sweeps/seeded-models.js';
import { comparedModels } from '../training/compare-runs.js';
import type { FinishedRun } from '../training/list-runs.js';

/** Finished runs side by side, scored on the same test tiles. */
export interface RunComparison {
  /** Every metric of every run, with intervals. */
  table: Table;
  /** RMSE of each band and of NDVI with its 95 % interval over tiles. */
  errors: Figure;
  /** The difference of each run to the baseline on the same tiles, with its 95 % interval. */
  differences: Figure;
  /** A row for each region and run: scores of its tiles. */
  regions: Record<string, string | number>[];
  /** Mean RMSE of the bands, a panel a region. */
  regionErrors: Figure;
  /** How much of the way from the baseline to the lowest bound each run that is no bound goes, %; empty without a bound. */
  gaps: { model: string; 'mean RMSE (×10⁴)': number; 'gap closed (%)': number }[];
}

export interface ComparisonOptions {
  /** Tag of the run that the others are compared with. @default global-lut */
  baseline?: string;
  /** Bootstrap draws. @default 10 000 */
  draws?: number;
  /** Stands behind the titles, such as `synthetic`. */
  note?: string;
}

/**
 * Compares runs by their records of test tiles; nothing is trained or read again.
 *
 * @throws Fault where runs were not tested on the same tiles, or the baseline is not among them
 */
export const compareRuns = (
  runs: readonly FinishedRun[],
  { baseline = 'global-lut', draws, note }: ComparisonOptions = {},
): RunComparison => {
  const tags = runs.map(({ result }) => result.tag);
  if (!tags.includes(baseline)) throw new Fault(`baseline: ${baseline}; one of ${tags.join(', ')}`);
  const { bands } = runs[0].experiment.data;
  const models = comparedModels(runs);
  const labelled = runs.map((run) => ({ label: run.result.tag, run }));
  const statistics = rowStatistics(seededModels(labelled), bands, { baseline, draws });
  const rmseOf = (all: readonly RowStatistics[], label: string, channel: string): RowStatistics =>
    all.find((one) => one.label === label && one.measure.name === 'rmse' && one.measure.channel === channel)!;
  const titled = (text: string): string => `${text}${note ? ` (${note})` : ''}`;
  const isBound = new Map(models.map(({ label, bound }) => [label, bound !== undefined]));
  const isTrained = new Map(runs.map(({ result }) => [result.tag, Boolean(result.training)]));
  const colourOf = (tag: string): string =>
    isBound.get(tag) ? okabeIto.black : isTrained.get(tag) ? okabeIto.vermillion : okabeIto.blue;
  const hasNdvi = runs[0].result.scores.test.ndvi !== null;
  const channels = [...bands, ...(hasNdvi ? ['NDVI'] : [])];
  const panels = channels.map((channel) => ({
    label: bandLabel(channel),
    axis: channel === 'NDVI' ? 'RMSE' : 'RMSE [× 10⁴]',
  }));
  const regions = [...new Set(models[0].tiles.map(({ region }) => region))].sort();
  const byRegion = regions.map((region) =>
    rowStatistics(seededModels(labelled, { region }), bands, { baseline, draws }),
  );
  const errors = models.map(({ tiles }) => meanRmse(poolTiles(tiles)));
  const bound = gapBound(models, (at) => errors[at]);
  return {
    table: comparisonTable(titled('Test tiles'), models, bands, { reference: baseline, draws }),
    errors: intervalPlot(
      tags.map((label) => ({
        ...{ label, colour: colourOf(label) },
        estimates: channels.map((channel) => {
          const { mean, interval } = rmseOf(statistics, label, channel);
          return interval && { value: mean, ...interval };
        }),
      })),
      panels,
      titled('Test error and 95 % intervals over tiles'),
    ),
    differences: intervalPlot(
      tags
        .filter((label) => rmseOf(statistics, label, 'mean').paired)
        .map((label) => ({
          ...{ label, colour: colourOf(label) },
          estimates: channels.map((channel) => {
            const paired = rmseOf(statistics, label, channel).paired;
            return paired?.interval ? { value: paired.difference, ...paired.interval } : null;
          }),
        })),
      panels.map(({ label, axis }) => ({ label, axis: `Δ ${axis}`, reference: 0 })),
      titled(`Difference to ${baseline} on the same tiles, 95 % intervals`),
    ),
    regions: regions.flatMap((region) =>
      comparedModels(runs, 'test', region).map(({ label, tiles }) => {
        const score = poolTiles(tiles);
        return {
          ...{ region, model: label, tiles: tiles.length },
          ...Object.fromEntries(
            bands.map((band, b) => [
              `RMSE ${bandLabel(band)} (×10⁴)`,
              Number(score.bands[b].rmse.toFixed(1)),
            ]),
          ),
          ...(score.ndvi ? { 'RMSE NDVI': Number(score.ndvi.rmse.toFixed(4)) } : {}),
        };
      }),
    ),
    regionErrors: intervalPlot(
      tags.map((label) => ({
        ...{ label, colour: colourOf(label) },
        estimates: byRegion.map((all) => {
          const { mean, interval } = rmseOf(all, label, 'mean');
          return interval && { value: mean, ...interval };
        }),
      })),
      regions.map((region) => ({ label: region, axis: 'RMSE [× 10⁴]' })),
      titled(`${inReflectance('Mean RMSE of the bands')} by region, 95 % intervals over tiles`),
    ),
    gaps:
      bound < 0
        ? []
        : models.flatMap(({ label, bound: own }, at) =>
            own === undefined && label !== baseline
              ? [
                  {
                    model: label,
                    'mean RMSE (×10⁴)': Number(errors[at].toFixed(1)),
                    'gap closed (%)': Math.round(
                      100 * gapClosed(errors[at], errors[tags.indexOf(baseline)], errors[bound]),
                    ),
                  },
                ]
              : [],
          ),
  };
};
