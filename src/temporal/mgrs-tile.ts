import { createRequire } from 'node:module';
import type { Outline } from './acquisition.js';

// a minified CommonJS module whose names Node's loader does not see
const { toPoint } = createRequire(import.meta.url)('mgrs') as typeof import('mgrs');

/** A Sentinel-2 tile reaches 9.8 km beyond its 100 km square, to the east and to the south. */
const overlap = 0.098;

const isTile = (tile: string): boolean => /^\d{2}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]$/.test(tile);

/** A longitude within half a turn of `near`. */
const towards = (lon: number, near: number): number => lon - 360 * Math.round((lon - near) / 360);

/**
 * Corners of an MGRS tile as Sentinel-2 (and GF1-ARD) cut it, 109.8 km wide: south-west, south-east, north-east,
 * north-west; degrees. Null for a name that is no MGRS tile.
 */
export const mgrsOutline = (tile: string): Outline | null => {
  if (!isTile(tile)) return null;
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
