import { Fault } from '../fault.js';
import type { Figure } from '../figures/figure.js';
import { temporalExplorer } from '../figures/temporal/explorer.js';
import type { Catalog } from './acquisition.js';
import { type AnalysisOptions, analyse } from './analyse.js';
import { colourOf } from './analysis-figures.js';
import { dayOf, type Period, parseTime } from './days.js';
import { gapsBetween } from './gaps.js';
import { sensorLabel } from './sensors.js';
import { tileStatistics } from './statistics.js';

/** A period from two dates, `2024-07-09`, both counted. @throws Fault for a text that is no date, or an end before */
export const periodOf = (from: string, to: string): Period => {
  const [first, last] = [from, to].map((text) => {
    const time = parseTime(text);
    if (time === null) throw new Fault(`period: ${text}; a date as 2024-07-09`);
    return dayOf(time);
  });
  if (first > last) throw new Fault(`period: ${from} to ${to}; the end lies before the beginning`);
  return { from: first, to: last };
};

export interface ExploreOptions extends Pick<AnalysisOptions, 'sensors' | 'tiles'> {
  /** Periods to choose from, by name; the whole of the catalog by default. */
  periods?: Readonly<Record<string, Period>>;
  /** Least clear shares to choose from, 0 … 1. */
  thresholds?: readonly number[];
}

/**
 * One figure in which tile, period, sensors and clear threshold are chosen by controls of its own: every combination
 * is computed here, so that it works without a server. At most some dozens of tiles: the figure holds them all.
 */
export const exploreTemporal = (catalog: Catalog, options: ExploreOptions = {}): Figure => {
  const { thresholds = [0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 0.95] } = options;
  const analysis = analyse(catalog, { sensors: options.sensors, tiles: options.tiles });
  const { sensors, series } = analysis;
  const periods = options.periods ?? { 'whole period': analysis.period };
  const sets = [...sensors, ...(sensors.length > 1 ? [sensors.join('+')] : [])];
  const byPeriod = Object.entries(periods).map(
    ([name, period]) =>
      [name, thresholds.map((threshold) => tileStatistics(series, sensors, period, threshold))] as const,
  );
  const title = `Gaps between clear observations${analysis.simulated ? ' (simulated acquisitions)' : ''}`;
  return temporalExplorer(
    [...series.keys()].flatMap((tile) =>
      byPeriod.flatMap(([name, statistics]) =>
        sets.map((set) => ({
          tile,
          period: name,
          sensors: sensorLabel(set),
          colour: colourOf(set, sensors),
          byThreshold: statistics.map((byTile) => {
            const { clearDays, nClear } = byTile.get(tile)!.get(set)!;
            return { gaps: gapsBetween(clearDays), nClear };
          }),
        })),
      ),
    ),
    thresholds.map((threshold) => Math.round(threshold * 100)),
    undefined,
    title,
  );
};
