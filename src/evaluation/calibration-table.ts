import type { Table } from './table.js';
import type { TileRecord } from './tile-record.js';

/** Tiles that a model told the error of before their targets were seen. */
export interface StatedTiles {
  label: string;
  tiles: readonly TileRecord[];
}

/** Whether real errors lie where they were expected: for each band [tiles of it with an interval, those inside, log ratios]. */
const countBand = (tiles: readonly TileRecord[], band: number) => {
  const stated = tiles.flatMap(({ bands, expected }) => {
    const { n, squared } = bands[band];
    return expected && n > 0
      ? [
          {
            real: Math.sqrt(squared / n),
            expected: expected.rmse[band],
            low: expected.low[band],
            high: expected.high[band],
          },
        ]
      : [];
  });
  return {
    tiles: stated.length,
    inside: stated.filter(({ real, low, high }) => real >= low && real <= high).length,
    above: stated.filter(({ real, high }) => real > high).length,
    ratio: Math.exp(
      stated.reduce((sum, { real, expected }) => sum + Math.log(real / expected), 0) / stated.length,
    ),
  };
};

/**
 * Coverage of the 95 % intervals that a model gives for the RMSE of each tile, band by band and over all; how many tiles err
 * more than their interval allows; and the geometric mean of real over expected RMSE.
 */
export const calibrationTable = (
  groups: readonly StatedTiles[],
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
