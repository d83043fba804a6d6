import { type BootstrapOptions, bootstrapTiles, type Interval } from './bootstrap-tiles.js';
import type { Period } from './days.js';
import { type SeriesStatistics, sensorSets, type TileStatistics } from './statistics.js';
import { windowLengths } from './windows.js';

/** What is compared between sets of sensors: the mean over tiles of a value that each tile has. */
export interface GainMeasure {
  key: string;
  label: string;
  unit: string;
  digits: number;
  /** Null where a tile has too few observations to say: it is left out of that mean. */
  of: (statistics: SeriesStatistics, period: Period) => number | null;
}

const percent = (share: number | null): number | null => (share === null ? null : share * 100);

/** Tiles that have a value. */
const countOf = (values: Float64Array): number => values.filter((value) => !Number.isNaN(value)).length;

/** Resampling tells nothing of a mean that one tile alone has a value for. */
const withInterval = (interval: Interval, values: Float64Array): Interval =>
  countOf(values) < 2 ? { value: interval.value, low: Number.NaN, high: Number.NaN } : interval;

const daysOf = ({ from, to }: Period): number => to - from + 1;

/** The measures of the gain table. */
export const gainMeasures: readonly GainMeasure[] = [
  { key: 'n', label: 'observations', unit: 'days', digits: 1, of: ({ n }) => n },
  { key: 'nClear', label: 'clear observations', unit: 'days', digits: 1, of: ({ nClear }) => nClear },
  {
    key: 'nWeighted',
    label: 'cloud-weighted observations',
    unit: 'days',
    digits: 1,
    of: ({ nWeighted }) => nWeighted,
  },
  {
    key: 'perMonth',
    label: 'clear per 30 days',
    unit: '1/30 d',
    digits: 2,
    of: ({ nClear }, period) => (30 * nClear) / daysOf(period),
  },
  { key: 'meanGap', label: 'mean gap', unit: 'days', digits: 2, of: ({ gaps }) => gaps.mean },
  { key: 'medianGap', label: 'median gap', unit: 'days', digits: 2, of: ({ gaps }) => gaps.median },
  {
    key: 'maxGap',
    label: 'longest gap, edges as boundaries',
    unit: 'days',
    digits: 1,
    of: ({ gapsWithEdges }) => gapsWithEdges.max,
  },
  ...windowLengths.map(
    (length, index): GainMeasure => ({
      key: `window${length}`,
      label: `${length}-day windows with a clear observation`,
      unit: '%',
      digits: 1,
      of: ({ windows }) => percent(windows[index]),
    }),
  ),
];

/** One measure over tiles: its mean for each set of sensors, and what all sensors together gain over each alone. */
export interface Gain {
  measure: GainMeasure;
  /** By name of the set. */
  means: Record<string, Interval>;
  /** Mean of all sensors together over the mean of this sensor alone, over the tiles that have both. */
  ratios: Record<string, Interval>;
  /** Tiles that have a value, by name of the set. */
  tiles: Record<string, number>;
}

/** Mean of the values that are there (not NaN), weighted. */
const meanOf = (values: Float64Array, weight: ArrayLike<number>): number => {
  let sum = 0;
  let count = 0;
  for (let index = 0; index < values.length; index++) {
    if (Number.isNaN(values[index])) continue;
    sum += weight[index] * values[index];
    count += weight[index];
  }
  return count === 0 ? Number.NaN : sum / count;
};

/** The values of the tiles that have `other` too. */
const where = (values: Float64Array, other: Float64Array): Float64Array =>
  values.map((value, index) => (Number.isNaN(other[index]) ? Number.NaN : value));

/** The ratio of two means over the tiles that have both values. */
const ratioOf = (above: Float64Array, below: Float64Array): ((weight: ArrayLike<number>) => number) => {
  const [both, base] = [where(above, below), where(below, above)];
  return (weight) => meanOf(both, weight) / meanOf(base, weight);
};

/**
 * The gain table: what each sensor sees alone, what all see together, and the ratio, with 95 % intervals by bootstrap
 * over tiles. Ratios of means over the same tiles, so that no tile with a tiny denominator rules the result.
 */
export const gainTable = (
  statistics: TileStatistics,
  sensors: readonly string[],
  period: Period,
  options: BootstrapOptions = {},
): Gain[] => {
  const sets = sensorSets(sensors).map((set) => set.join('+'));
  const all = sensors.join('+');
  const tiles = [...statistics.values()];
  const ratioSensors = sensors.length > 1 ? sensors : [];
  const measured = gainMeasures.map((measure) => {
    const values = new Map(
      sets.map((set) => {
        const ofTile = tiles.map((bySet) => measure.of(bySet.get(set)!, period) ?? Number.NaN);
        return [set, Float64Array.from(ofTile)] as const;
      }),
    );
    const estimates = [
      ...sets.map((set) => (weight: ArrayLike<number>) => meanOf(values.get(set)!, weight)),
      ...ratioSensors.map((sensor) => ratioOf(values.get(all)!, values.get(sensor)!)),
    ];
    return { measure, values, estimates };
  });
  // the same tiles are drawn for every measure
  const intervals = bootstrapTiles(
    tiles.length,
    measured.flatMap(({ estimates }) => estimates),
    options,
  );
  return measured.map(({ measure, values, estimates }, index) => {
    const own = intervals.slice(index * estimates.length, (index + 1) * estimates.length);
    return {
      measure,
      means: Object.fromEntries(sets.map((set, at) => [set, withInterval(own[at], values.get(set)!)])),
      ratios: Object.fromEntries(
        ratioSensors.map((sensor, at) => [
          sensor,
          withInterval(own[sets.length + at], where(values.get(all)!, values.get(sensor)!)),
        ]),
      ),
      tiles: Object.fromEntries(sets.map((set) => [set, countOf(values.get(set)!)])),
    };
  });
};
