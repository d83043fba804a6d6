import { Fault } from '../fault.js';
import type { Catalog, Outline } from './acquisition.js';
import type { BootstrapOptions } from './bootstrap-tiles.js';
import { dayText, type Period } from './days.js';
import { type Gain, gainTable } from './gain.js';
import { mergeTiles, type TileSeries } from './merge.js';
import { mgrsOutline } from './mgrs-tile.js';
import { counts, familyOf } from './sensors.js';
import { type TileStatistics, tileStatistics } from './statistics.js';

export interface AnalysisOptions {
  /** Sensors to count, families (`s2`) or single satellites (`landsat-8`); every family of the catalog by default. */
  sensors?: readonly string[];
  /** Satellites that the caller calls by their names: without `sensors` they are counted under these. */
  named?: readonly string[];
  /** First and last day counted; those of the acquisitions by default. */
  from?: number;
  to?: number;
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

const chooseSensors = (
  catalog: Catalog,
  { sensors: wanted = [], named = [] }: Pick<AnalysisOptions, 'sensors' | 'named'>,
): string[] => {
  const platforms = new Set(catalog.acquisitions.map(({ platform }) => platform));
  if (wanted.length === 0) return sensorsThere(platforms, named);
  const faults = wanted
    .filter((sensor) => ![...platforms].some((platform) => counts(sensor, platform)))
    .map(
      (sensor) =>
        `--sensors: ${sensor}; no acquisition of it; the catalogs have ${[...platforms].sort().join(', ')}`,
    );
  const twice = wanted.filter((sensor, index) => wanted.indexOf(sensor) !== index);
  faults.push(...twice.map((sensor) => `--sensors: ${sensor}; named twice`));
  if (faults.length > 0) throw new Fault(faults);
  return [...wanted];
};

const choosePeriod = (series: TileSeries, { from, to }: AnalysisOptions): Period => {
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const bySensor of series.values())
    for (const { days } of bySensor.values()) {
      if (days.length === 0) continue;
      first = Math.min(first, days[0]);
      last = Math.max(last, days[days.length - 1]);
    }
  const period = { from: from ?? first, to: to ?? last };
  if (period.from > period.to)
    throw new Fault(
      `period: ${dayText(period.from)} to ${dayText(period.to)}; the end lies before the beginning`,
    );
  return period;
};

const chooseTiles = (catalog: Catalog, wanted: readonly string[] | undefined): Catalog => {
  if (wanted === undefined || wanted.length === 0) return catalog;
  const there = new Set(catalog.acquisitions.map(({ tile }) => tile));
  const missing = wanted.filter((tile) => !there.has(tile));
  if (missing.length > 0)
    throw new Fault(
      missing.map(
        (tile) =>
          `--tiles: ${tile}; not in the catalogs, which have ${[...there].sort().slice(0, 20).join(', ')}`,
      ),
    );
  const keep = new Set(wanted);
  return { ...catalog, acquisitions: catalog.acquisitions.filter(({ tile }) => keep.has(tile)) };
};

/**
 * Counts how often each tile is seen, by each sensor and by several together, with gaps, windows and gains.
 * @throws Fault for a sensor or tile that the catalog does not have, a threshold outside 0 … 1, an empty period.
 */
export const analyse = (catalog: Catalog, options: AnalysisOptions = {}): Analysis => {
  const threshold = options.threshold ?? 0.7;
  if (!(threshold >= 0 && threshold <= 1))
    throw new Fault(`--clear: ${threshold}; give the least clear share, between 0 and 1`);
  const sensors = chooseSensors(catalog, options);
  const kept = chooseTiles(catalog, options.tiles);
  const series = mergeTiles(kept.acquisitions, sensors);
  const period = choosePeriod(series, options);
  const statistics = tileStatistics(series, sensors, period, threshold);
  let gain: Gain[] | null = null;
  const notes = [...catalog.notes];
  const others = kept.acquisitions.filter(
    ({ platform }) => !sensors.some((sensor) => counts(sensor, platform)),
  );
  if (others.length > 0) {
    const names = [...new Set(others.map(({ platform }) => platform))].sort().join(', ');
    notes.push(`${others.length} acquisitions of sensors not asked for are left out: ${names}`);
  }
  for (const sensor of sensors) {
    const lacking = [...series.values()].filter((bySensor) => bySensor.get(sensor)!.days.length === 0).length;
    if (lacking > 0)
      notes.push(`${lacking} of ${series.size} tiles have no acquisition of ${sensor}: they count with none`);
  }
  const outlines = new Map<string, Outline>();
  for (const tile of series.keys()) {
    const outline = mgrsOutline(tile) ?? catalog.outlines.get(tile);
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
    notes,
  };
};
