import { rmse } from '../metrics/rmse.js';
import type { Table } from './table.js';
import type { TileRecord } from './tile-record.js';

/** Tiles that a model told the error of before their targets were seen. */
export interface TileGroup {
  label: string;
  tiles: readonly TileRecord[];
}

/** The RMSE of one band that was stated of a tile, with its 95 % interval, and the one observed; stored units. */
export interface StatedTile {
  tile: string;
  stated: number;
  low: number;
  high: number;
  observed: number;
}

/** The stated errors of one band, of the tiles that have one and a valid pixel. */
export const statedErrors = (tiles: readonly TileRecord[], band: number): StatedTile[] =>
  tiles.flatMap(({ tile, bands, expected }) =>
    expected && bands[band].n > 0
      ? [
          {
            ...{ tile, stated: expected.rmse[band], low: expected.low[band], high: expected.high[band] },
            observed: rmse.of(bands[band]),
          },
        ]
      : [],
  );

/** How the observed errors of one band lie to those that were stated. */
const countBand = (tiles: readonly TileRecord[], band: number) => {
  const errors = statedErrors(tiles, band);
  return {
    tiles: errors.length,
    inside: errors.filter(({ observed, low, high }) => observed >= low && observed <= high).length,
    above: errors.filter(({ observed, high }) => observed > high).length,
    ratio: Math.exp(
      errors.reduce((sum, { observed, stated }) => sum + Math.log(observed / stated), 0) / errors.length,
    ),
  };
};

/**
 * Coverage of the 95 % intervals that a model gives for the RMSE of each tile, band by band and over all; how many tiles err
 * more than their interval allows; and the geometric mean of real over expected RMSE.
 */
export const calibrationTable = (
  groups: readonly TileGroup[],
  bands: readonly string[],
  caption: string,
): Table => ({
  caption,
  columns: [
    { label: 'tiles of' },
    { label: 'tiles', digits: 0 },
    ...bands.map((band) => ({ label: band, unit: '%', digits: 1 })),
    { label: 'all bands', unit: '%', digits: 1 },
    { label: 'above', unit: '%', digits: 1 },
    { label: 'real / expected', digits: 2 },
  ],
  rows: groups.map(({ label, tiles }) => {
    const counts = bands.map((_, band) => countBand(tiles, band));
    const sum = (of: (count: (typeof counts)[number]) => number): number =>
      counts.reduce((total, count) => total + of(count), 0);
    const all = sum((count) => count.tiles);
    return {
      cells: [
        label,
        tiles.length,
        ...counts.map((count) => (100 * count.inside) / count.tiles),
        (100 * sum(({ inside }) => inside)) / all,
        (100 * sum(({ above }) => above)) / all,
        Math.exp(sum(({ ratio }) => Math.log(ratio)) / bands.length),
      ],
    };
  }),
  notes: [
    'Columns of bands: share of tiles whose RMSE lies in the 95 % interval that was given for it; above: share of tiles and bands whose RMSE is higher. Real / expected: geometric mean over tiles and bands.',
  ],
});
