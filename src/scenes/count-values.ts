import type { OnProgress } from '../progress.js';
import type { Scene } from './open-scene.js';
import { codes } from './pixel-coding.js';
import { sceneRows } from './scene-rows.js';

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

const countAll = (source: Uint16Array, into: Uint32Array): void => {
  for (let i = 0; i < source.length; i++) into[source[i]]++;
};

const countValid = (
  source: Uint16Array,
  valid: Uint8Array,
  into: Uint32Array,
  outside: Uint32Array,
): void => {
  for (let i = 0; i < source.length; i++) {
    if (valid[i] === 1) into[source[i]]++;
    else outside[source[i]]++;
  }
};

/** The first pass over a scene. */
export const countValues = async (
  scene: Scene,
  step: number,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<ValueCounts> => {
  const tables = scene.bands.map(() => ({
    valid: new Float64Array(codes),
    masked: new Float64Array(codes),
  }));
  for await (const { y, rows, codes: bands, valid } of sceneRows(scene, step, signal)) {
    bands.forEach((band, b) => {
      const seen = new Uint32Array(codes);
      const hidden = new Uint32Array(codes);
      if (valid) countValid(band, valid, seen, hidden);
      else countAll(band, seen);
      for (let code = 0; code < codes; code++) {
        tables[b].valid[code] += seen[code];
        tables[b].masked[code] += hidden[code];
      }
    });
    onProgress({ stage: 'histogram', done: y + rows, total: scene.height, unit: 'rows' });
  }
  const nodata = scene.bands.map(({ coding }, b) => {
    if (coding.nodata < 0) return 0;
    const { valid, masked } = tables[b];
    const count = valid[coding.nodata] + masked[coding.nodata];
    valid[coding.nodata] = 0;
    masked[coding.nodata] = 0;
    return count;
  });
  return {
    bands: tables.map(({ valid }) => valid),
    nodata,
    masked: tables.map(({ masked }) => masked.reduce((sum, count) => sum + count, 0)),
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
