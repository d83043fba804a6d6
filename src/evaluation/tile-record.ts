import { addErrors, type ErrorSums, type Metrics, metricsOf, noErrors } from './metrics.js';

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
  ndvi: (ErrorSums & { skipped: number }) | null;
}

/** Pooled metrics of some tiles: the numbers of a table row. */
export interface Score {
  n: number;
  bands: Metrics[];
  ndvi: (Metrics & { skipped: number }) | null;
}

/** Pools tiles: sums over all their pixels. `weights` repeats tiles (a bootstrap draw); default each once. */
export const poolTiles = (tiles: readonly TileRecord[], weights?: ArrayLike<number>): Score => {
  const bands = (tiles[0]?.bands ?? []).map(noErrors);
  const index = noErrors();
  let skipped = 0;
  for (const [i, tile] of tiles.entries()) {
    const times = weights?.[i] ?? 1;
    if (times === 0) continue;
    for (const [band, sums] of tile.bands.entries()) addScaled(bands[band], sums, times);
    if (tile.ndvi) {
      addScaled(index, tile.ndvi, times);
      skipped += times * tile.ndvi.skipped;
    }
  }
  return {
    n: bands[0]?.n ?? 0,
    bands: bands.map(metricsOf),
    ndvi: tiles[0]?.ndvi ? { ...metricsOf(index), skipped } : null,
  };
};

const addScaled = (sums: ErrorSums, more: ErrorSums, times: number): void => {
  if (times === 1) {
    addErrors(sums, more);
    return;
  }
  const scaled = { ...more };
  for (const key of Object.keys(noErrors()) as (keyof ErrorSums)[]) scaled[key] = more[key] * times;
  addErrors(sums, scaled);
};
