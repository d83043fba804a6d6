import { inOrder } from '../dataset/in-order.js';
import type { OnProgress } from '../progress.js';
import type { RasterWindow } from '../raster/raster.js';
import type { Scene } from './open-scene.js';
import type { SceneCrew } from './scene-crew.js';
import { readWindows } from './scene-windows.js';

/** How often each value occurs in a scene. */
export interface ValueCounts {
  /** Pixels that are data and valid by the masks, by code: [codes] for each band. */
  bands: Float64Array[];
  /** Of each band. */
  nodata: number[];
  /** Pixels that are data but not valid by the masks, of each band. */
  masked: number[];
  pixels: number;
}

const sum = (tables: readonly Float64Array[]): Float64Array =>
  tables.reduce((total, table) => {
    for (let code = 0; code < total.length; code++) total[code] += table[code];
    return total;
  });

/** The first pass over a scene. @param step rows read at once */
export const countValues = async (
  scene: Scene,
  crew: SceneCrew,
  step: number,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<ValueCounts> => {
  const count = (window: RasterWindow): Promise<void> => {
    signal?.throwIfAborted();
    return crew.anyone((work) => work.count(window));
  };
  await inOrder(readWindows(scene, step), 2 * crew.hands, count, async (_, [x, y, width, rows]) => {
    if (x + width === scene.width)
      onProgress({ stage: 'histogram', done: y + rows, total: scene.height, unit: 'rows' });
  });
  const counted = await crew.everyone((work) => work.counted());
  const bands = scene.bands.map((_, b) => sum(counted.map(({ valid }) => valid[b])));
  const masked = scene.bands.map((_, b) => sum(counted.map((each) => each.masked[b])));
  const nodata = scene.bands.map(({ coding }, b) => {
    if (coding.nodata < 0) return 0;
    const found = bands[b][coding.nodata] + masked[b][coding.nodata];
    bands[b][coding.nodata] = 0;
    masked[b][coding.nodata] = 0;
    return found;
  });
  return {
    bands,
    nodata,
    masked: masked.map((table) => table.reduce((total, found) => total + found, 0)),
    pixels: scene.width * scene.height,
  };
};

/**
 * The histogram that the model was trained on: `bins` equal bins over [0, bandMax], the last closed on the right,
 * values outside left out. [bands·bins].
 */
export const tileHistogram = (
  counts: readonly Float64Array[],
  values: readonly Float32Array[],
  bandMax: readonly number[],
  bins: number,
): Float64Array => {
  const out = new Float64Array(bandMax.length * bins);
  counts.forEach((band, b) => {
    for (let code = 0; code < band.length; code++) {
      const value = values[b][code];
      if (band[code] === 0 || !(value >= 0 && value <= bandMax[b])) continue;
      out[b * bins + Math.min(bins - 1, Math.floor((value * bins) / bandMax[b]))] += band[code];
    }
  });
  return out;
};
