import { metrics } from '../metrics/index.js';
import { digitsOf, type Metric } from '../metrics/metric.js';
import { defaultDraws, percentileInterval, tileDraws } from './bootstrap.js';
import { pooledDraws, scoresOf, tileSums } from './pooled-draws.js';
import type { Cell, Column, Row, Table } from './table.js';
import { meanRmse, poolTiles, type TileRecord } from './tile-record.js';

/** A row that sees the target: of all of a tile's patches, or of the half that is not scored. */
export type Bound = 'in-sample' | 'cross-fitted';

/** One model of a comparison. */
export interface ComparedModel {
  label: string;
  /** What it sees of the target that it is tested on; bounds do not compete for the best value. */
  bound?: Bound;
  /** False: its validation error was still falling when training ended; it competes for nothing then. */
  converged?: boolean;
  parameters: number | null;
  tiles: readonly TileRecord[];
}

/** The metrics that comparisons have columns of. */
export const columnMetrics = (): Metric[] => metrics().filter(({ columns }) => columns !== false);

/** A metric's column for a band, `mean` (over bands) or `NDVI`. */
export const metricColumn = (metric: Metric, channel: string): Column => ({
  label: `${metric.label} ${channel}`,
  digits: digitsOf(metric, channel, 'column'),
  ...(metric.best === null ? {} : { best: metric.best }),
});

/** What the numbers of these metrics are in, for the notes of a table. */
export const unitNote = (shown: readonly Metric[]): string => {
  const inData = shown.filter(({ unit }) => unit === 'data').map(({ label }) => label);
  return `${inData.join(', ')} in stored units (reflectance × 10 000), NDVI without unit`;
};

/**
 * The bound that "gap closed" counts to: the lowest cross-fitted one, which a model can reach; without one the lowest in
 * sample, which fits noise too. −1 without any.
 *
 * @param error mean RMSE of each row
 */
export const gapBound = (rows: readonly { bound?: Bound }[], error: (row: number) => number): number => {
  const lowest = (kind: Bound): number =>
    rows
      .map((_, i) => i)
      .filter((i) => rows[i].bound === kind)
      .sort((a, b) => error(a) - error(b))[0] ?? -1;
  const crossFitted = lowest('cross-fitted');
  return crossFitted < 0 ? lowest('in-sample') : crossFitted;
};

/** What the ends of the gap are, for the notes of a table. */
export const gapNote = (reference: string, { label, bound }: { label: string; bound?: Bound }): string =>
  `Gap closed: 0 % is ${reference}, 100 % ${label}, which sees the target of ${
    bound === 'cross-fitted'
      ? "a tile's other patches (a bound that can be reached, no method)"
      : 'the tile itself and fits its noise too (a bound, no method)'
  }.`;

/** A row's label, marked where its training had not come to rest. */
export const markedLabel = (label: string, converged: boolean | undefined): string =>
  converged === false ? `${label} (not converged)` : label;

/** What the mark of rows that have not converged means, for the notes of a table. */
export const convergenceNote = (models: readonly { converged?: boolean }[]): string[] =>
  models.some(({ converged }) => converged === false)
    ? [
        'Not converged: the validation RMSE (the training RMSE where that was looked at too seldom) fell by more than 1 % over the last fifth of the training; such a row is no result of its recipe and competes for nothing.',
      ]
    : [];

/** What a table comes to, in one sentence: the best row that competes, beside the second and the reference. */
export const conclusion = (
  models: readonly { label: string; bound?: Bound; converged?: boolean }[],
  errors: readonly number[],
  reference: string,
): string[] => {
  const ranked = models
    .map((model, i) => ({ ...model, error: errors[i] }))
    .filter(({ bound, converged }) => !bound && converged !== false)
    .sort((a, b) => a.error - b.error);
  const [best, second] = ranked;
  if (!best || !second) return [];
  const base = models.findIndex(({ label }) => label === reference);
  const percent = (of: number): string => `${(100 * (1 - best.error / of)).toFixed(1)} %`;
  const beside =
    base >= 0 && reference !== best.label && reference !== second.label
      ? `, and ${percent(errors[base])} below ${reference} (${errors[base].toFixed(1)})`
      : '';
  return [
    `The lowest mean RMSE over bands is that of ${best.label}: ${best.error.toFixed(1)}, ${percent(second.error)} below ${second.label} (${second.error.toFixed(1)})${beside}.`,
  ];
};

/** The fraction of the way from a reference error to the bound: 1 at the bound, 0 at the reference. */
export const gapClosed = (error: number, reference: number, bound: number): number =>
  (reference - error) / (reference - bound);

const half = (low: number, high: number, digits: number): string => `±${((high - low) / 2).toFixed(digits)}`;

/**
 * The comparison of models on the same tiles: each metric per band and for NDVI, pooled over all valid pixels, with half the
 * width of its 95 % bootstrap interval over tiles (R² has none); and, where a bound and a reference are among the models, how
 * much of the gap between the two a model closes (mean RMSE over bands).
 *
 * @param reference label of the model that the gap is counted from (default `global-lut`)
 * @param draws bootstrap draws (default 10 000); 0: no intervals
 */
export const comparisonTable = (
  caption: string,
  models: readonly ComparedModel[],
  bands: readonly string[],
  { reference = 'global-lut', draws = defaultDraws }: { reference?: string; draws?: number } = {},
): Table => {
  const count = models[0]?.tiles.length ?? 0;
  const samples = draws > 0 ? tileDraws(count, draws) : [];
  const scores = models.map(({ tiles }) => poolTiles(tiles, undefined, bands));
  const hasNdvi = scores.every(({ ndvi }) => ndvi !== null);
  const end = gapBound(models, (m) => meanRmse(scores[m]));
  const bound = scores[end];
  const from = scores[models.findIndex(({ label }) => label === reference)];
  const shown = columnMetrics();
  const rows = models.map(({ label, bound: seen, converged, parameters, tiles }, m): Row => {
    const pooled = pooledDraws(tileSums(tiles), samples);
    const bandCells = (metric: Metric): Cell[] => {
      const values = scores[m].bands.map((band) => band[metric.name]);
      if (pooled.length === 0 || metric.pooledOnly) return values;
      const drawn = scoresOf(pooled, metric);
      return values.map((value, band): Cell => {
        const { low, high } = percentileInterval(drawn.map((channels) => channels[band]));
        return { value, spread: half(low, high, digitsOf(metric, bands[band], 'column')) };
      });
    };
    const gap =
      bound && from && m !== end
        ? 100 * gapClosed(meanRmse(scores[m]), meanRmse(from), meanRmse(bound))
        : null;
    return {
      cells: [
        markedLabel(label, converged),
        parameters === null ? null : String(parameters),
        ...shown.flatMap(bandCells),
        ...(hasNdvi ? shown.map(({ name }) => scores[m].ndvi![name]) : []),
        ...(bound && from ? [gap] : []),
      ],
      competes: !seen && converged !== false,
    };
  });
  return {
    caption,
    columns: [
      { label: 'model' },
      { label: 'parameters' },
      ...shown.flatMap((metric) => bands.map((band) => metricColumn(metric, band))),
      ...(hasNdvi ? shown.map((metric) => metricColumn(metric, 'NDVI')) : []),
      ...(bound && from ? [{ label: 'gap closed', unit: '%', digits: 0, best: 'high' } as Column] : []),
    ],
    rows,
    notes: [
      `${unitNote(shown)}; pooled over ${scores[0]?.n ?? 0} valid pixels of ${count} tiles.`,
      ...(draws > 0 ? [`± half the width of the 95 % bootstrap interval over tiles (${draws} draws).`] : []),
      ...(bound && from ? [gapNote(reference, models[end])] : []),
      ...convergenceNote(models),
      ...conclusion(models, scores.map(meanRmse), reference),
    ],
  };
};
