import { seededRandom } from '../config/random.js';
import { refuse } from '../fault.js';
import type { Acquisition, Catalog, Outline } from './acquisition.js';
import { sceneCloud, zonalCloud } from './cloud-climate.js';
import { dayOf, msPerDay, type Period } from './days.js';
import { centreOf, mgrsOutline } from './mgrs-tile.js';
import { type Orbit, passesBetween, revolutionsOver } from './orbit.js';

/** 2024-07-14, when Sentinel-2A flew relative orbit 141. */
const reference = 19_918;

/**
 * Sentinel-2A. The node's longitude is fitted to where 1000 real items of Colorado lie in their swaths (mean error of
 * a tile's covered share: 0.8 %); revolution 0 is relative orbit 141.
 */
export const sentinel2a: Orbit = {
  cycleDays: 10,
  revolutions: 143,
  inclination: 98.62,
  swathKm: 290,
  nodeLongitude: -116.12,
  nodeDay: reference,
  nodeHour: 10.5,
};

/** Sentinel-2B: half a cycle after A. */
export const sentinel2b: Orbit = { ...sentinel2a, nodeDay: reference + 5 };

/**
 * GF-1 WFV as its users know it: every place once in four days. 59 revolutions in 4 days stand for the real 41-day
 * cycle, and only the track nearest to a place counts (the WFV swath of about 800 km covers 80° N to 80° S in 4 days).
 * Its phase is not published: `nodeLongitude` is only an example.
 */
export const gaofen1: Orbit = {
  cycleDays: 4,
  revolutions: 59,
  inclination: 98.05,
  swathKm: 800,
  nodeLongitude: 0,
  nodeDay: reference,
  nodeHour: 10.5,
};

/** A place to simulate: a tile with its outline; MGRS tiles know theirs. */
export interface Place {
  tile: string;
  outline: Outline;
}

export interface SimulationOptions {
  period: Period;
  /** @default ['s2', 'gf1'] */
  sensors?: readonly ('s2' | 'gf1')[];
  /** @default 2022 */
  seed?: number;
  /** Mean cloud cover, 0 … 1, of a latitude (degrees) and month (0 … 11). @default zonalCloud */
  cloud?: (lat: number, month: number) => number;
  /** Correlation of the cloud of one day with the next, 0 … 1. @default 0.35 */
  persistence?: number;
  /** Least share of the tile that a swath must cover for an item. @default 0.01 */
  leastCover?: number;
}

/** The middle points of a grid of cells over an outline of four corners. */
const gridOf = ([sw, se, ne, nw]: Outline, cells = 6): [number, number][] =>
  Array.from({ length: cells * cells }, (_, index) => {
    const a = ((index % cells) + 0.5) / cells;
    const b = (Math.floor(index / cells) + 0.5) / cells;
    const mix = (axis: 0 | 1): number =>
      (1 - b) * ((1 - a) * sw[axis] + a * se[axis]) + b * ((1 - a) * nw[axis] + a * ne[axis]);
    return [mix(0), mix(1)];
  });

/** The share of a tile that a revolution's swath covers. */
export const coverOf = (orbit: Orbit, revolution: number, outline: Outline): number => {
  const points = gridOf(outline);
  const inside = points.filter((point) => revolutionsOver(orbit, point, undefined, [revolution]).length > 0);
  return inside.length / points.length;
};

const passesOf = (
  platform: string,
  { outline }: Place,
  { period, leastCover = 0.01 }: SimulationOptions,
): { platform: string; time: number }[] => {
  const centre = centreOf(outline);
  const [from, until] = [period.from * msPerDay, (period.to + 1) * msPerDay];
  const orbit = platform === 's2a' ? sentinel2a : platform === 's2b' ? sentinel2b : gaofen1;
  if (platform === 'gf1') {
    const [nearest] = revolutionsOver(orbit, centre, 2000).sort((a, b) => a.acrossKm - b.acrossKm);
    return passesBetween(orbit, nearest ? [nearest] : [], from, until).map(({ time }) => ({
      platform,
      time,
    }));
  }
  const over = revolutionsOver(orbit, centre, orbit.swathKm / 2 + 90).filter(
    ({ revolution }) => coverOf(orbit, revolution, outline) >= leastCover,
  );
  return passesBetween(orbit, over, from, until).map(({ time }) => ({ platform, time }));
};

/** Cloud cover of every day of a period at one place: persistent from day to day, the same for all sensors. */
const cloudOfDays = (place: Place, options: SimulationOptions): Float64Array => {
  const { period, seed = 2022, cloud = zonalCloud, persistence = 0.35 } = options;
  const random = seededRandom(seed, 'cloud', place.tile);
  const [, lat] = centreOf(place.outline);
  let z = random.normal();
  return Float64Array.from({ length: period.to - period.from + 1 }, (_, index) => {
    const month = new Date((period.from + index) * msPerDay).getUTCMonth();
    const value = sceneCloud(cloud(lat, month), z);
    z = persistence * z + Math.sqrt(1 - persistence ** 2) * random.normal();
    return value;
  });
};

/** Places of MGRS tiles by name. @throws Fault naming every name that is no MGRS tile */
export const mgrsPlaces = (tiles: readonly string[]): Place[] => {
  const places = tiles.map((tile) => ({ tile, outline: mgrsOutline(tile) }));
  refuse(
    places
      .filter(({ outline }) => outline === null)
      .map(({ tile }) => `tile: ${tile}; not an MGRS tile, give a name like 13TDE`),
  );
  return places.map(({ tile, outline }) => ({ tile, outline: outline! }));
};

/**
 * Simulates what Sentinel-2 (two satellites on their real orbits) and GF-1 WFV (every four days) would acquire, with
 * climatological cloud. For users without catalogs, and for demonstrations: the catalog is marked `simulated`, which
 * everything made from it says.
 */
export const simulateCatalog = (places: readonly Place[], options: SimulationOptions): Catalog => {
  const { period, sensors = ['s2', 'gf1'] } = options;
  const platforms = sensors.flatMap((sensor) => (sensor === 's2' ? ['s2a', 's2b'] : ['gf1']));
  const acquisitions = places.flatMap((place): Acquisition[] => {
    const cloud = cloudOfDays(place, options);
    return platforms
      .flatMap((platform) => passesOf(platform, place, options))
      .sort((a, b) => a.time - b.time)
      .map(({ platform, time }) => ({
        tile: place.tile,
        platform,
        time,
        clear: 1 - cloud[dayOf(time) - period.from],
      }));
  });
  return {
    acquisitions,
    outlines: new Map(places.map(({ tile, outline }) => [tile, outline])),
    simulated: true,
    notes: ['acquisitions are simulated: orbits of Sentinel-2, a nominal GF-1, climatological cloud'],
  };
};

/** A simulated catalog as CSV of our own columns; the column `simulated` carries the label on. */
export const catalogCsv = ({ acquisitions }: Catalog): string =>
  [
    'tile,sensor,datetime,clear_fraction,id,simulated',
    ...acquisitions.map(({ tile, platform, time, clear }) => {
      const datetime = new Date(time).toISOString();
      const id = `simulated_${platform}_${tile}_${datetime.slice(0, 10)}`;
      return [tile, platform, datetime, clear?.toFixed(4) ?? '', id, 'true'].join(',');
    }),
    '',
  ].join('\n');
