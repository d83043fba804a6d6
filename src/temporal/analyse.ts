import { didYouMean } from '../config/spelling.js';
import { Fault } from '../fault.js';
import type { Catalog, Outline } from './acquisition.js';
import type { BootstrapOptions } from './bootstrap-tiles.js';
import { commonTiles, onCommonGrid } from './common-grid.js';
import { dayText, type Period } from './days.js';
import { type Gain, gainTable } from './gain.js';
import { mergeTiles, type TileSeries, uniteDays } from './merge.js';
import { mgrsOutline } from './mgrs-tile.js';
import { counts, familyOf, sensorLabel } from './sensors.js';
import { type TileStatistics, tileStatistics } from './statistics.js';

export interface AnalysisOptions {
  /** Sensors to count, families (`s2`) or single satellites (`landsat-8`); every family of the catalog by default. */
  sensors?: readonly string[];
  /** Satellites that the caller calls by their names: without `sensors` they are counted under these. */
  named?: readonly string[];
  /** First and last day counted; by default those of the period that every sensor covers (see `extent`). */
  from?: number;
  to?: number;
  /**
   * `common`: tiles and days that every sensor has, so that a sensor's gaps are not where its list ends; `whole`: all
   * tiles, from the first acquisition to the last. `tiles`, `from` and `to` go before both. @default 'common'
   */
  extent?: 'common' | 'whole';
  /** Least clear share of a clear observation, 0 … 1. @default 0.7 */
  threshold?: number;
  /** Tiles to keep; all by default. */
  tiles?: readonly string[];
  bootstrap?: BootstrapOptions;
}

/** How often a set of tiles is seen: the whole result, from which tables and figures are made. */
export interface Analysis {
  period: Period;
  threshold: number;
  sensors: string[];
  series: TileSeries;
  statistics: TileStatistics;
  /** The gain table; its bootstrap runs at the first call. */
  gain: () => Gain[];
  outlines: Map<string, Outline>;
  simulated: boolean;
  /** What the `SYNTHETIC.json` of synthetic datasets says. */
  synthetic: readonly unknown[];
  notes: string[];
}

/** Families of what is there; a family of which only named satellites are there goes by their names. */
const sensorsThere = (platforms: ReadonlySet<string>, named: readonly string[]): string[] => {
  const families = [...new Set([...platforms].map(familyOf))].sort();
  return families.flatMap((family) => {
    const satellites = [...platforms].filter((platform) => familyOf(platform) === family).sort();
    return satellites.every((satellite) => named.includes(satellite)) ? satellites : [family];
  });
};

/** Every value that acquisitions have of a field. */
const valuesOf = ({ acquisitions }: Catalog, field: 'tile' | 'platform'): Set<string> => {
  const values = new Set<string>();
  for (const image of acquisitions) values.add(image[field]);
  return values;
};

/** Platforms that no sensor counts. */
const uncounted = (catalog: Catalog, sensors: readonly string[]): Set<string> =>
  new Set(
    [...valuesOf(catalog, 'platform')].filter(
      (platform) => !sensors.some((sensor) => counts(sensor, platform)),
    ),
  );

const chooseSensors = (
  catalog: Catalog,
  { sensors: wanted = [], named = [] }: Pick<AnalysisOptions, 'sensors' | 'named'>,
): string[] => {
  const platforms = valuesOf(catalog, 'platform');
  if (wanted.length === 0) return sensorsThere(platforms, named);
  const faults = wanted
    .filter((sensor) => ![...platforms].some((platform) => counts(sensor, platform)))
    .map(
      (sensor) =>
        `--sensors: ${sensor}; ${didYouMean(sensor, [...platforms])}no acquisition of it; the catalogs have ${[...platforms].sort().join(', ')}`,
    );
  const twice = wanted.filter((sensor, index) => wanted.indexOf(sensor) !== index);
  faults.push(...twice.map((sensor) => `--sensors: ${sensor}; named twice`));
  if (faults.length > 0) throw new Fault(faults);
  return [...wanted];
};

/** First and last day of each sensor over all tiles. */
const daysOfSensors = (series: TileSeries, sensors: readonly string[]): Map<string, Period> => {
  const found = new Map<string, Period>();
  for (const bySensor of series.values())
    for (const sensor of sensors) {
      const { days } = bySensor.get(sensor)!;
      if (days.length === 0) continue;
      const { from, to } = found.get(sensor) ?? { from: days[0], to: days[0] };
      found.set(sensor, { from: Math.min(from, days[0]), to: Math.max(to, days[days.length - 1]) });
    }
  return found;
};

const periodText = ({ from, to }: Period): string => `${dayText(from)} to ${dayText(to)}`;

const choosePeriod = (
  series: TileSeries,
  sensors: readonly string[],
  { from, to, extent }: AnalysisOptions,
  notes: string[],
): Period => {
  const ofSensors = daysOfSensors(series, sensors);
  const all = [...ofSensors.values()];
  const whole = {
    from: Math.min(...all.map((one) => one.from)),
    to: Math.max(...all.map((one) => one.to)),
  };
  const common = {
    from: Math.max(...all.map((one) => one.from)),
    to: Math.min(...all.map((one) => one.to)),
  };
  const listed = [...ofSensors].map(([sensor, days]) => `${sensorLabel(sensor)} ${periodText(days)}`);
  let chosen = whole;
  if (extent !== 'whole' && (from === undefined || to === undefined)) {
    if (common.from > common.to)
      notes.push(
        `the sensors have no day in common (${listed.join('; ')}): the whole period is counted, and a sensor has gaps where it has no list`,
      );
    else {
      chosen = common;
      if (common.from > whole.from || common.to < whole.to)
        notes.push(
          `counted is the period that all sensors have, ${periodText(common)} (${listed.join('; ')}); --all counts the whole`,
        );
    }
  }
  const period = { from: from ?? chosen.from, to: to ?? chosen.to };
  if (period.from > period.to)
    throw new Fault(`period: ${periodText(period)}; the end lies before the beginning`);
  return period;
};

/** The tiles that are asked for, or those that every sensor has; their scenes on one grid. */
const chooseTiles = (
  catalog: Catalog,
  sensors: readonly string[],
  { tiles: wanted = [], extent }: AnalysisOptions,
): Catalog => {
  const gridded = onCommonGrid(catalog, sensors);
  const only = (from: Catalog, keep: ReadonlySet<string>): Catalog => ({
    ...from,
    acquisitions: from.acquisitions.filter(({ tile }) => keep.has(tile)),
  });
  if (wanted.length > 0) {
    // a tile of a sensor's own grid is counted as it is listed
    const from = [gridded, catalog].find((one) => {
      const there = valuesOf(one, 'tile');
      return wanted.every((tile) => there.has(tile));
    });
    if (from) return only(from, new Set(wanted));
    const there = valuesOf(gridded, 'tile');
    throw new Fault(
      wanted
        .filter((tile) => !there.has(tile))
        .map(
          (tile) =>
            `--tiles: ${tile}; ${didYouMean(tile, [...there])}not in the catalogs, which have ${[...there].sort().slice(0, 20).join(', ')}`,
        ),
    );
  }
  if (extent === 'whole' || sensors.length < 2) return gridded;
  const common = commonTiles(gridded.acquisitions, sensors);
  const others = uncounted(gridded, sensors);
  const all = new Set<string>();
  for (const { tile, platform } of gridded.acquisitions) if (!others.has(platform)) all.add(tile);
  if (common.size === all.size) return gridded;
  const notes = [
    ...gridded.notes,
    common.size === 0
      ? 'no tile has acquisitions of every sensor: each is counted over its own tiles, and their means are not of the same places'
      : `${all.size - common.size} of ${all.size} tiles are left out, as not every sensor has acquisitions of them; --all counts them`,
  ];
  return common.size === 0 ? { ...gridded, notes } : { ...only(gridded, common), notes };
};

/** A list of one image a tile (a dataset of chosen pairs) says nothing of how often a tile is seen. */
const refuseOneDate = (series: TileSeries, sensors: readonly string[]): void => {
  const dates = [...series.values()].map(
    (bySensor) => uniteDays(sensors.map((sensor) => bySensor.get(sensor)!)).days.length,
  );
  if (dates.every((count) => count <= 1))
    throw new Fault(
      `catalog: ${dates.length === 1 ? 'one date of one tile' : `one date a tile, ${dates.length} tiles`}; gaps are between dates of a tile, so give all acquisitions of a period`,
    );
};

/**
 * Counts how often each tile is seen, by each sensor and by several together, with gaps, windows and gains.
 * @throws Fault for a sensor or tile that the catalog does not have, a threshold outside 0 … 1, an empty period, a catalog
 *   with one date a tile.
 */
export const analyse = (catalog: Catalog, options: AnalysisOptions = {}): Analysis => {
  const threshold = options.threshold ?? 0.7;
  if (!(threshold >= 0 && threshold <= 1))
    throw new Fault(`--clear: ${threshold}; give the least clear share, between 0 and 1`);
  const sensors = chooseSensors(catalog, options);
  const kept = chooseTiles(catalog, sensors, options);
  const notes = [...kept.notes];
  const series = mergeTiles(kept.acquisitions, sensors);
  refuseOneDate(series, sensors);
  const period = choosePeriod(series, sensors, options, notes);
  const statistics = tileStatistics(series, sensors, period, threshold);
  let gain: Gain[] | null = null;
  const others = uncounted(kept, sensors);
  if (others.size > 0) {
    const left = kept.acquisitions.filter(({ platform }) => others.has(platform)).length;
    notes.push(
      `${left} acquisitions of sensors not asked for are left out: ${[...others].sort().join(', ')}`,
    );
  }
  for (const sensor of sensors) {
    const lacking = [...series.values()].filter((bySensor) => bySensor.get(sensor)!.days.length === 0).length;
    if (lacking > 0)
      notes.push(`${lacking} of ${series.size} tiles have no acquisition of ${sensor}: they count with none`);
  }
  const outlines = new Map<string, Outline>();
  for (const tile of series.keys()) {
    const outline = mgrsOutline(tile) ?? kept.outlines.get(tile);
    if (outline) outlines.set(tile, outline);
  }
  return {
    period,
    threshold,
    sensors,
    series,
    statistics,
    gain: () => {
      gain ??= gainTable(statistics, sensors, period, options.bootstrap);
      return gain;
    },
    outlines,
    simulated: catalog.simulated,
    synthetic: catalog.synthetic ?? [],
    notes,
  };
};
