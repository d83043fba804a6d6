import type { Figure } from '../figures/figure.js';
import { seriesBeforeAfter } from '../figures/temporal/series-before-after.js';
import { seriesDifference } from '../figures/temporal/series-difference.js';
import { bandLabel } from '../figures/theme.js';
import type { Mapping } from '../models/mapping.js';
import {
  ndviSeries,
  type PlaceSeries,
  type SeriesConsistency,
  seriesConsistency,
} from '../temporal/consistency.js';
import { dayText } from '../temporal/days.js';

/** One place's series of two sensors before and after alignment. */
export interface SeriesReport {
  mapping: Mapping;
  consistency: SeriesConsistency;
  /** A row for NDVI and each band: discontinuity and roughness, before and after. */
  rows: Record<string, string | number>[];
  /** NDVI of both sensors, before and after. */
  figure: Figure;
  /** NDVI of source − target on days that both saw, before and after. */
  difference: Figure;
  /** One line: what the second sensor adds in days and gaps. */
  density: string;
}

/** A line for each band by ordinary least squares over the days that both sensors saw. */
const sharedDaysFit = (source: PlaceSeries, target: PlaceSeries): Mapping => {
  const days = Array.from(target.days);
  const shared = Array.from(source.days).flatMap((day, i) =>
    days.includes(day) ? [[i, days.indexOf(day)]] : [],
  );
  const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const lines = source.values.map((values, band) => {
    const xs = shared.map(([i]) => values[i]);
    const ys = shared.map(([, j]) => target.values[band][j]);
    const [mx, my] = [mean(xs), mean(ys)];
    const slope =
      xs.reduce((sum, x, k) => sum + (x - mx) * (ys[k] - my), 0) /
      xs.reduce((sum, x) => sum + (x - mx) ** 2, 0);
    return { slope, intercept: my - slope * mx };
  });
  return {
    form: 'affine',
    slope: lines.map(({ slope }) => slope),
    intercept: lines.map(({ intercept }) => intercept),
  };
};

/**
 * Aligns the source's series of one place to the target's, and says what that changes.
 *
 * @param mapping any fitted model's mapping of the place; by default a line a band over the days that both sensors saw
 */
export const seriesReport = (
  source: PlaceSeries,
  target: PlaceSeries,
  {
    bands = ['blue', 'green', 'red', 'NIR'],
    names = ['S2', 'GF1'],
    title = 'One place, both sensors',
    mapping = sharedDaysFit(source, target),
  }: { bands?: readonly string[]; names?: readonly [string, string]; title?: string; mapping?: Mapping } = {},
): SeriesReport => {
  const consistency = seriesConsistency(source, target, mapping);
  const { before, after, density, aligned } = consistency;
  const row = (name: string, from: typeof before.ndvi, to: typeof before.ndvi, digits: number) => ({
    quantity: name,
    pairs: from.discontinuity.pairs,
    'RMSE before': Number(from.discontinuity.rmse.toFixed(digits)),
    'RMSE after': Number(to.discontinuity.rmse.toFixed(digits)),
    'roughness before': Number(from.roughness.toFixed(digits)),
    'roughness after': Number(to.roughness.toFixed(digits)),
  });
  const dates = (series: PlaceSeries): string[] => Array.from(series.days, dayText);
  const ndvi = (series: PlaceSeries): number[] => [...ndviSeries(series)];
  const days = Array.from(target.days);
  const [raw, fitted, truth] = [ndvi(source), ndvi(aligned), ndvi(target)];
  const shared = Array.from(source.days).flatMap((day, i) => {
    const at = days.indexOf(day);
    return at < 0 ? [] : [{ date: dayText(day), before: raw[i] - truth[at], after: fitted[i] - truth[at] }];
  });
  const gap = (days: number | null): string =>
    days === null ? 'no gap' : `a mean gap of ${days.toFixed(1)} days`;
  return {
    mapping,
    consistency,
    rows: [
      row('NDVI', before.ndvi, after.ndvi, 4),
      ...bands.map((name, band) =>
        row(`${bandLabel(name)} (×10⁴)`, before.bands[band], after.bands[band], 1),
      ),
    ],
    figure: seriesBeforeAfter(
      { name: names[0], dates: dates(source), before: raw, after: fitted },
      { name: names[1], dates: dates(target), before: truth, after: truth },
      'NDVI',
      title,
    ),
    difference: seriesDifference(shared, 'NDVI', {
      ...{ source: names[0], target: names[1] },
      title: `${title}: NDVI on days that both saw`,
    }),
    density: `${names[1]} alone: ${density.target.n} clear days, ${gap(density.target.meanGap)}; with ${names[0]}: ${density.both.n}, ${gap(density.both.meanGap)}`,
  };
};
