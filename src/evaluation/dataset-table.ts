import { rmse } from '../metrics/rmse.js';
import { bootstrapText, differenceText } from './ablation-table.js';
import { defaultDraws } from './bootstrap.js';
import { unitNote } from './comparison-table.js';
import { rowStatistics, type SeededModel } from './row-statistics.js';
import type { Column, Table } from './table.js';

/** The rows of one dataset; those of all datasets have the same labels. */
export interface DatasetRows {
  dataset: string;
  bands: readonly string[];
  models: readonly SeededModel[];
}

/**
 * One line for each dataset: the mean RMSE over bands of every row, and how one of them differs from another on the same test
 * tiles, with its 95 % bootstrap interval over tiles.
 *
 * @param model label of the row whose difference is told, and `baseline` of the one that it is to
 * @param draws bootstrap draws (default 10 000)
 */
export const datasetTable = (
  datasets: readonly DatasetRows[],
  {
    caption,
    model,
    baseline,
    draws = defaultDraws,
  }: { caption: string; model: string; baseline: string; draws?: number },
): Table => {
  const labels = datasets[0].models.map(({ label }) => label);
  const bounds = new Set(datasets[0].models.filter(({ bound }) => bound).map(({ label }) => label));
  return {
    caption,
    columns: [
      { label: 'dataset' },
      { label: 'test tiles', digits: 0 },
      ...labels.map((label): Column => ({ label, digits: 2 })),
      { label: `${model} / ${baseline}`, digits: 3 },
      { label: `${model} − ${baseline}` },
      { label: 'p bootstrap' },
    ],
    rows: datasets.map(({ dataset, bands, models }) => {
      const means = rowStatistics(models, bands, { baseline, draws }).filter(
        ({ measure }) => measure.name === rmse.name && measure.channel === 'mean',
      );
      const of = (label: string) => means.find((row) => row.label === label);
      const [own, other] = [of(model)!, of(baseline)!];
      const { paired } = own;
      return {
        cells: [
          dataset,
          models[0].seeds[0].length,
          ...labels.map((label) => of(label)?.mean ?? null),
          own.mean / other.mean,
          paired && differenceText(paired, 2),
          // one comparison a dataset: nothing to correct for
          paired && bootstrapText({ ...paired, bootstrapHolm: paired.bootstrap }, draws),
        ],
      };
    }),
    notes: [
      `${unitNote([rmse])}; mean over bands, each pooled over all valid pixels of the test tiles.`,
      `Difference: mean RMSE over bands of ${model} less that of ${baseline} on the same tiles, with its 95 % bootstrap interval over tiles (${draws} draws).`,
      ...(bounds.size > 0 ? [`Bounds, which see the target: ${[...bounds].join(', ')}.`] : []),
    ],
  };
};
