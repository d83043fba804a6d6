import { addErrors, type ErrorSums, type NdviSums, noErrors } from '../metrics/error-sums.js';
import { metrics, scoreOf } from '../metrics/index.js';
import type { ExpectedError } from '../models/mapping.js';

/** The error sums of one tile: kept with a run, so that every table can be made again without training. */
export interface TileRecord {
  split: 'train' | 'val' | 'test';
  /** `tile_date`. */
  tile: string;
  region: string;
  date: string;
  patches: number;
  /** In the order of `data.bands`. */
  bands: ErrorSums[];
  ndvi: NdviSums | null;
  /** The error that the model expected of the tile, if it says. */
  expected?: ExpectedError;
}

/** The valid pixels `n` that a score is of, and every metric by its name (`rmse`, `r2`, …). NaN where n is 0. */
export type Metrics = Record<string, number>;

/** Metrics of some tiles, pooled over all their pixels: the numbers of a table row. */
export interface Score {
  n: number;
  /** In the order of `data.bands`. */
  bands: Metrics[];
  /** `skipped`: valid pixels without NDVI. */
  ndvi: Metrics | null;
}

/**
 * Every metric of some error sums.
 * @param channel whose sums they are, for messages
 * @throws Fault where a defined metric throws or gives no number
 */
export const metricsOf = (sums: ErrorSums, channel = 'these pixels'): Metrics => ({
  n: sums.n,
  ...Object.fromEntries(metrics().map((metric) => [metric.name, scoreOf(metric, sums, channel)])),
});

/**
 * Pools tiles: metrics of the sums over all their pixels.
 *
 * @param times how often each tile counts (a bootstrap draw); default once
 * @param names of the bands, for messages
 * @throws Fault where a defined metric throws or gives no number
 */
export const poolTiles = (
  tiles: readonly TileRecord[],
  times?: ArrayLike<number>,
  names?: readonly string[],
): Score => {
  const bands = (tiles[0]?.bands ?? []).map(noErrors);
  const ndvi = noErrors();
  let skipped = 0;
  for (const [i, tile] of tiles.entries()) {
    const count = times?.[i] ?? 1;
    if (count === 0) continue;
    for (const [band, sums] of tile.bands.entries()) addErrors(bands[band], sums, count);
    if (tile.ndvi) {
      addErrors(ndvi, tile.ndvi, count);
      skipped += count * tile.ndvi.skipped;
    }
  }
  return {
    n: bands[0]?.n ?? 0,
    bands: bands.map((sums, band) => metricsOf(sums, `band ${names?.[band] ?? band + 1}`)),
    ndvi: tiles[0]?.ndvi ? { ...metricsOf(ndvi, 'NDVI'), skipped } : null,
  };
};

/** Mean RMSE over bands, stored units. */
export const meanRmse = ({ bands }: Score): number =>
  bands.reduce((sum, { rmse }) => sum + rmse, 0) / bands.length;
