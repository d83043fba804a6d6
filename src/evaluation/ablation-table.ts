import { findMetric } from '../metrics/index.js';
import type { Metric } from '../metrics/metric.js';
import { rmse } from '../metrics/rmse.js';
import { defaultDraws } from './bootstrap.js';
import {
  columnMetrics,
  conclusion,
  convergenceNote,
  gapBound,
  gapNote,
  markedLabel,
  metricColumn,
  unitNote,
} from './comparison-table.js';
import type { PairedDifference } from './paired-comparison.js';
import type { PaperValues } from './paper-values.js';
import {
  type Measure,
  type RowStatistics,
  rowStatistics,
  type SeededModel,
  significance,
} from './row-statistics.js';
import type { Cell, Column, Table } from './table.js';

/** How the tables are made. */
export interface AblationOptions {
  caption: string;
  /** Label of the row that the others are compared with; default: the first that is no bound. */
  baseline?: string;
  /** Bootstrap draws; default 10 000. */
  draws?: number;
  /** Published values to set beside ours; without them there is no such column. */
  paper?: PaperValues;
  /** Lines below the table, before those that explain it. */
  notes?: readonly string[];
}

const columnOf = ({ name, channel }: Measure): Column => metricColumn(findMetric(name)!, channel);

const pText = (p: number): string => (Number.isNaN(p) ? '–' : p < 0.001 ? '<0.001' : p.toFixed(3));

/** A bootstrap p-value that is as small as so many draws can make it is an upper bound. */
export const bootstrapText = (
  { bootstrap, bootstrapHolm }: Pick<NonNullable<RowStatistics['paired']>, 'bootstrap' | 'bootstrapHolm'>,
  draws: number,
): string => (bootstrap <= 2 / (draws + 1) ? `≤${bootstrapHolm.toFixed(4)}` : pText(bootstrapHolm));

const insignificant = (mark: RowStatistics['paired']): boolean =>
  mark !== null && mark.bootstrapHolm >= significance;

const metricCell = ({ mean, sd, paired }: RowStatistics, digits: number): Cell => ({
  value: mean,
  ...(sd === null ? {} : { spread: `± ${sd.toFixed(digits)}` }),
  ...(insignificant(paired) ? { mark: ' ⁿˢ' } : {}),
});

const signed = (value: number, digits: number): string =>
  `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(digits)}`;

/** `−1.41 [−1.80, −1.03]`: a paired difference with its interval. */
export const differenceText = ({ difference, interval }: PairedDifference, digits: number): string =>
  signed(difference, digits) +
  (interval ? ` [${signed(interval.low, digits)}, ${signed(interval.high, digits)}]` : '');

const intervalText = ({ interval }: RowStatistics, digits: number): string | null =>
  interval && `[${interval.low.toFixed(digits)}, ${interval.high.toFixed(digits)}]`;

/** Metrics beside RMSE that have an interval and tests of their own. */
const ownColumns = (): Metric[] => columnMetrics().filter((metric) => metric !== rmse && !metric.pooledOnly);

const isMean = (measure: Measure, metric: Metric): boolean =>
  measure.name === metric.name && measure.channel === 'mean';

const baselineOf = (models: readonly SeededModel[], wish?: string): string =>
  wish ?? (models.find(({ bound }) => !bound) ?? models[0]).label;

/** With fewer tiles, intervals and p-values over them say little. */
const fewTiles = 10;

/** Bounds stand last. */
const inOrder = (models: readonly SeededModel[]): SeededModel[] => [
  ...models.filter(({ bound }) => !bound),
  ...models.filter(({ bound }) => bound),
];

const isShown = ({ measure: { name, channel } }: RowStatistics): boolean =>
  channel !== 'mean' || !findMetric(name)!.pooledOnly;

/** Tags with a common beginning as `ablation/tv-on-s{1,2,3}`, which a shell expands. */
export const bracedTags = (tags: readonly string[]): string => {
  if (tags.length < 2) return tags.join('');
  let common = 0;
  while (tags.every((tag) => common < tag.length && tag[common] === tags[0][common])) common++;
  // cut at the beginning of a number or word, not within it
  while (common > 0 && /\w/.test(tags[0][common - 1]) && !/[A-Za-z]/.test(tags[0][common - 1])) common--;
  return `${tags[0].slice(0, common)}{${tags.map((tag) => tag.slice(common)).join(',')}}`;
};

/** What is known of models with seeds, bounds last, and how it is told. */
interface Known {
  rows: readonly SeededModel[];
  statistics: readonly RowStatistics[];
  baseline: string;
  draws: number;
}

/**
 * The comparison of configurations with seeds, a row each: every metric as mean ± standard deviation over seeds; of the
 * mean RMSE over bands also the 95 % bootstrap interval over test tiles, the paired difference to the baseline with its
 * interval and p-values, and how much of the gap to the bound is closed. A metric that a person defined also has the
 * interval of its mean over bands and the paired difference to the baseline.
 */
const comparisonOf = (
  { rows, statistics, baseline, draws }: Known,
  { caption, paper, notes = [] }: AblationOptions,
): Table => {
  const errors = statistics.filter(({ measure }) => isMean(measure, rmse));
  const end = rows[gapBound(rows, (row) => errors[row].mean)];
  const first = statistics.filter(({ label }) => label === rows[0].label).filter(isShown);
  const own = ownColumns();
  const paperColumns = paper?.columns ?? [];
  const columns: Column[] = [
    { label: 'model' },
    { label: 'parameters' },
    { label: 'seeds' },
    ...first.map(({ measure }) => columnOf(measure)),
    { label: '95 % interval' },
    { label: 'Δ RMSE mean' },
    { label: 'p bootstrap' },
    { label: 'p Wilcoxon' },
    ...own.flatMap(({ label }): Column[] => [
      { label: `${label} 95 % interval` },
      { label: `Δ ${label} mean` },
    ]),
    ...(end ? [{ label: 'gap closed', unit: '%', digits: 0, best: 'high' } as Column] : []),
    ...paperColumns.map((column): Column => ({ label: `paper: ${column}`, digits: paper!.digits(column) })),
    { label: 'runs' },
  ];
  const tiles = rows[0].seeds[0];
  const pixels = tiles.reduce((sum, { bands }) => sum + bands[0].n, 0);
  return {
    caption,
    columns,
    rows: rows.map((model) => {
      const ofModel = statistics.filter(({ label }) => label === model.label);
      const meanOf = (metric: Metric): RowStatistics =>
        ofModel.find(({ measure }) => isMean(measure, metric))!;
      const mean = meanOf(rmse);
      const { paired } = mean;
      const missing = model.missing ?? [];
      return {
        competes: !model.bound && model.converged !== false,
        cells: [
          markedLabel(model.label, model.converged),
          model.parameters === null ? null : String(model.parameters),
          missing.length > 0
            ? `${model.seeds.length} of ${model.seeds.length + missing.length}`
            : String(model.seeds.length),
          ...ofModel.filter(isShown).map((one) => metricCell(one, columnOf(one.measure).digits!)),
          intervalText(mean, 1),
          paired && differenceText(paired, 2),
          paired && bootstrapText(paired, draws),
          paired && pText(paired.wilcoxonHolm),
          ...own.flatMap((metric) => {
            const one = meanOf(metric);
            const { digits } = columnOf(one.measure);
            return [intervalText(one, digits!), one.paired && differenceText(one.paired, digits! + 1)];
          }),
          ...(end ? [mean.gap === null ? null : 100 * mean.gap] : []),
          ...paperColumns.map((column) => paper!.value(model.label, column)),
          bracedTags(model.runs),
        ],
      };
    }),
    notes: [
      ...notes,
      `${unitNote(columnMetrics())}; pooled over ${pixels} valid pixels of ${tiles.length} test tiles. Mean ± standard deviation over seeds; "mean" is the mean over bands.`,
      draws > 0
        ? `Interval: 95 % bootstrap over tiles (${draws} draws) of the mean RMSE over bands, averaged over seeds. Δ: paired difference to ${baseline} on the same draws.`
        : `Without bootstrap draws there are no intervals, and no marks. Δ: difference to ${baseline}.`,
      `p: paired bootstrap, and Wilcoxon signed-rank on the tiles' own RMSE, both Holm-corrected over the rows. ⁿˢ: not different from ${baseline} at ${significance} by the corrected paired bootstrap. Bold: best of those that compete. All numbers of all metrics are in the statistics table.`,
      ...(tiles.length < fewTiles
        ? [`Only ${tiles.length} tiles: intervals and p-values over so few say little.`]
        : []),
      ...(end ? [gapNote(baseline, end)] : []),
      ...convergenceNote(rows),
      ...conclusion(
        rows,
        errors.map(({ mean }) => mean),
        baseline,
      ),
      ...(paper ? [`Columns "paper": values from ${paper.source}, on the paper's own data.`] : []),
      ...rows
        .filter(({ missing = [] }) => missing.length > 0)
        .map(({ label, missing = [] }) => `${label}: without ${missing.join(', ')}, not finished.`),
    ],
  };
};

/** Everything behind {@link comparisonOf}: a line for each model, metric and channel, at full precision in CSV. */
const statisticsOf = ({ statistics, baseline }: Known, { caption }: AblationOptions): Table => {
  const own = ownColumns();
  const numbers = [
    'mean',
    'sd',
    'low',
    'high',
    'difference',
    'difference low',
    'difference high',
    'p bootstrap',
    'p bootstrap Holm',
    'p Wilcoxon',
    'p Wilcoxon Holm',
    'gap closed',
  ];
  return {
    caption: `${caption}: statistics`,
    columns: [
      { label: 'model' },
      { label: 'metric' },
      { label: 'seeds' },
      ...numbers.map((label): Column => ({ label, digits: 4 })),
    ],
    rows: statistics.map(({ label, measure, mean, sd, seeds, interval, paired, gap }) => ({
      cells: [
        label,
        columnOf(measure).label,
        String(seeds),
        mean,
        sd,
        interval?.low ?? null,
        interval?.high ?? null,
        paired?.difference ?? null,
        paired?.interval?.low ?? null,
        paired?.interval?.high ?? null,
        paired?.bootstrap ?? null,
        paired?.bootstrapHolm ?? null,
        paired?.wilcoxon ?? null,
        paired?.wilcoxonHolm ?? null,
        gap,
      ],
    })),
    notes: [
      `Differences to ${baseline}. Wilcoxon tests the tiles' own RMSE, also in the lines of R².`,
      ...(own.length > 0
        ? [
            `In the lines of ${own.map(({ label }) => label).join(', ')} it tests the tiles' own values of that metric.`,
          ]
        : []),
    ],
  };
};

/** The tables of models with seeds. */
export interface AblationTables {
  /** A row for each. */
  comparison: Table;
  /** A line for each, metric and channel. */
  statistics: Table;
  /** What both are made of, bounds last. */
  rows: RowStatistics[];
}

/** Compares models that were tested on the same tiles; the draws of the bootstrap are made once for both tables. */
export const ablationTables = (
  models: readonly SeededModel[],
  bands: readonly string[],
  options: AblationOptions,
): AblationTables => {
  const rows = inOrder(models);
  const draws = options.draws ?? defaultDraws;
  const baseline = baselineOf(rows, options.baseline);
  const statistics = rowStatistics(rows, bands, { baseline, draws });
  const known = { rows, statistics, baseline, draws };
  return {
    comparison: comparisonOf(known, options),
    statistics: statisticsOf(known, options),
    rows: statistics,
  };
};
