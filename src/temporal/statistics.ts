import { monthsOf, type Period } from './days.js';
import { type GapStatistics, gapStatistics, withEdges } from './gaps.js';
import { type DaySeries, type TileSeries, uniteDays, within } from './merge.js';
import { windowLengths, windowShare } from './windows.js';

/** What one set of sensors sees of one tile in a period. */
export interface SeriesStatistics {
  /** Images listed, before merging. */
  raw: number;
  /** Days with an observation. */
  n: number;
  /** Days whose clear share reaches the threshold; an unknown share counts as clear, see `unknown`. */
  nClear: number;
  /** Sum of the clear shares (unknown ones as 1): the number of observations, cloud-weighted. */
  nWeighted: number;
  /** Days of which no source tells the clear share. */
  unknown: number;
  /** Gaps between clear observations: first to last, what lies outside them left out. */
  gaps: GapStatistics;
  /** The same with the period's first and last day as boundaries (FORCE CSO). */
  gapsWithEdges: GapStatistics;
  /** Clear observations of every month of the period, `YYYY-MM`. */
  perMonth: Record<string, number>;
  /** Share of windows of {@link windowLengths} days with at least one clear observation. */
  windows: (number | null)[];
  /** The clear days themselves, ascending. */
  clearDays: Int32Array;
}

/** How many of `days` (ascending, inside the period) fall in each month of the period. */
export const countByMonth = (
  days: ArrayLike<number>,
  period: Period,
  months: ReturnType<typeof monthsOf> = monthsOf(period),
): Record<string, number> => {
  const counted = months.map(() => 0);
  for (let index = 0, month = 0; index < days.length; index++) {
    while (month + 1 < months.length && days[index] >= months[month + 1].first) month++;
    counted[month] += 1;
  }
  return Object.fromEntries(months.map(({ month }, index) => [month, counted[index]]));
};

/** Shares within this of the threshold reach it: 0.7 read from `cloud=30` and from `clear=0.7` must not differ. */
const roundOff = 1e-9;

/** Statistics of a merged series within a period. `threshold`: least clear share of a clear observation, 0 … 1. */
export const seriesStatistics = (
  series: DaySeries,
  period: Period,
  threshold: number,
  months: ReturnType<typeof monthsOf> = monthsOf(period),
): SeriesStatistics => {
  const { days, clear, images } = within(series, period);
  const clearDays = days.filter((_, index) => !(clear[index] < threshold - roundOff));
  return {
    raw: images.reduce((sum, count) => sum + count, 0),
    n: days.length,
    nClear: clearDays.length,
    nWeighted: clear.reduce((sum, share) => sum + (Number.isNaN(share) ? 1 : share), 0),
    unknown: clear.reduce((sum, share) => sum + Number(Number.isNaN(share)), 0),
    gaps: gapStatistics(clearDays),
    gapsWithEdges: gapStatistics(withEdges(clearDays, period)),
    perMonth: countByMonth(clearDays, period, months),
    windows: windowLengths.map((length) => windowShare(clearDays, period, length)),
    clearDays,
  };
};

/**
 * The sets of sensors that are counted, by name (`s2`, `gf1`, `s2+gf1`): each alone, every pair, all together, and
 * every other subset while there are four sensors or fewer.
 */
export const sensorSets = (sensors: readonly string[]): string[][] => {
  const subsets = Array.from({ length: 2 ** Math.min(sensors.length, 16) - 1 }, (_, bits) =>
    sensors.filter((_sensor, index) => ((bits + 1) >> index) & 1),
  );
  return subsets
    .filter(({ length }) => sensors.length <= 4 || length <= 2 || length === sensors.length)
    .sort((a, b) => a.length - b.length);
};

/** Statistics by tile and by set of sensors. */
export type TileStatistics = Map<string, Map<string, SeriesStatistics>>;

/** Statistics of every tile and every set of {@link sensorSets}. */
export const tileStatistics = (
  series: TileSeries,
  sensors: readonly string[],
  period: Period,
  threshold: number,
): TileStatistics => {
  const sets = sensorSets(sensors);
  const months = monthsOf(period);
  return new Map(
    [...series].map(([tile, bySensor]) => [
      tile,
      new Map(
        sets.map((set) => [
          set.join('+'),
          seriesStatistics(uniteDays(set.map((sensor) => bySensor.get(sensor)!)), period, threshold, months),
        ]),
      ),
    ]),
  );
};
