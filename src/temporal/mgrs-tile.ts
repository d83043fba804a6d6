import { createRequire } from 'node:module';
import type { Outline } from './acquisition.js';

// a minified CommonJS module whose names Node's loader does not see
const { forward, toPoint } = createRequire(import.meta.url)('mgrs') as typeof import('mgrs');

/** A Sentinel-2 tile reaches 9.8 km beyond its 100 km square, to the east and to the south. */
const overlap = 0.098;

/** True for the name of an MGRS tile in our spelling, `13TDE`. */
export const isMgrsTile = (tile: string): boolean => /^\d{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]$/.test(tile);

/** A longitude within half a turn of `near`. */
const towards = (lon: number, near: number): number => lon - 360 * Math.round((lon - near) / 360);

/**
 * Corners of an MGRS tile as Sentinel-2 (and GF1-ARD) cut it, 109.8 km wide: south-west, south-east, north-east,
 * north-west; degrees. Null for a name that is no MGRS tile.
 */
export const mgrsOutline = (tile: string): Outline | null => {
  if (!isMgrsTile(tile)) return null;
  try {
    const corner = (east: string, north: string): [number, number] => toPoint(`${tile}${east}${north}`);
    const west = corner('00000', '00000');
    const [sw, se, ne, nw] = [
      west,
      corner('99999', '00000'),
      corner('99999', '99999'),
      corner('00000', '99999'),
    ].map(([lon, lat]) => [towards(lon, towards(west[0], 0)), lat] as const);
    const beyond = (from: readonly [number, number], to: readonly [number, number]): [number, number] => [
      to[0] + overlap * (to[0] - from[0]),
      to[1] + overlap * (to[1] - from[1]),
    ];
    const [east1, east2] = [beyond(sw, se), beyond(nw, ne)];
    return [beyond(nw, sw), beyond(east2, east1), east2, [nw[0], nw[1]]];
  } catch {
    return null;
  }
};

/** The middle of an outline, degrees. */
export const centreOf = (outline: Outline): readonly [lon: number, lat: number] => [
  outline.reduce((sum, [lon]) => sum + lon, 0) / outline.length,
  outline.reduce((sum, [, lat]) => sum + lat, 0) / outline.length,
];

/** True where a place lies within a ring, by the even-odd rule; degrees. */
const isWithin = ([lon, lat]: readonly [number, number], ring: Outline): boolean => {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [[x1, y1], [x2, y2]] = [ring[i], ring[j]];
    if (y1 > lat !== y2 > lat && lon < ((x2 - x1) * (lat - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
};

/** Less than half a tile, degrees of latitude: no tile is stepped over. */
const step = 0.4;

/** The MGRS tiles whose middle lies within an outline (of a scene, whatever its own grid), by name. */
export const mgrsTilesUnder = (outline: Outline): string[] => {
  const [near] = outline[0];
  const ring = outline.map(([lon, lat]) => [towards(lon, near), lat] as const);
  const lats = ring.map(([, lat]) => lat);
  const lons = ring.map(([lon]) => lon);
  const [south, north] = [Math.max(-80, Math.min(...lats)), Math.min(84, Math.max(...lats))];
  const [west, east] = [Math.min(...lons), Math.max(...lons)];
  const tiles = new Set<string>();
  for (let lat = south; lat <= north; lat += step) {
    const wide = step / Math.max(0.1, Math.cos((lat * Math.PI) / 180));
    for (let lon = west; lon <= east; lon += wide) tiles.add(forward([towards(lon, 0), lat], 0));
  }
  return [...tiles]
    .map((tile) => tile.padStart(5, '0'))
    .filter((tile) => {
      const square = mgrsOutline(tile);
      if (square === null) return false;
      const [lon, lat] = centreOf(square);
      return isWithin([towards(lon, near), lat], ring);
    })
    .sort();
};
