import { setImmediate } from 'node:timers/promises';
import type { Experiment } from '../experiments/experiment.js';
import { type Patch, type PatchPixels, tileKey } from '../dataset/patch.js';
import type { ValueResiduals } from '../experiments/aligner.js';
import { applyConv } from '../ops/apply-conv.js';
import { applyTables, expandKnots } from '../ops/apply-mapping.js';
import type { ConvModule, Mapping } from '../ops/mapping.js';
import type { OnProgress } from '../progress.js';
import { bandErrors, indexErrors } from './accumulate.js';
import { addErrors, noErrors } from './metrics.js';
import type { TileRecord } from './tile-record.js';

/** What {@link evaluate} works on. */
export interface EvaluationInput {
  data: Experiment['data'];
  split: TileRecord['split'];
  patches: readonly Patch[];
  /** Decoded pixels of a patch. */
  read: (patch: Patch) => PatchPixels | Promise<PatchPixels>;
  /** The mapping of a tile (`tile_date`). */
  mapping: (tile: string) => Promise<Mapping>;
  conv: ConvModule | null;
  /** Filled with residuals by source value, if given. */
  residuals?: ResidualSums;
  onProgress: OnProgress;
  signal?: AbortSignal;
}

/** Σ of residuals by source bin, [bands·bins]. */
export interface ResidualSums {
  count: Float64Array;
  sum: Float64Array;
  squared: Float64Array;
}

export const noResiduals = (size: number): ResidualSums => ({
  count: new Float64Array(size),
  sum: new Float64Array(size),
  squared: new Float64Array(size),
});

/** RMSE and bias of each bin; NaN where it is empty. */
export const valueResiduals = ({ count, sum, squared }: ResidualSums): ValueResiduals => ({
  count,
  rmse: Float32Array.from(count, (n, i) => (n > 0 ? Math.sqrt(squared[i] / n) : Number.NaN)),
  bias: Float32Array.from(count, (n, i) => (n > 0 ? sum[i] / n : Number.NaN)),
});

/**
 * Pixels of one call of an inner function: V8 optimises functions that are called often; a loop over a whole patch stays
 * slow for hundreds of patches (as in ops/residual-sums.ts).
 */
const share = 4096;

const addBandResiduals = (
  { count, sum, squared }: ResidualSums,
  prediction: Float32Array | Float64Array,
  { source, target, mask }: PatchPixels,
  /** Where the band starts. */
  at: number,
  from: number,
  to: number,
  bins: number,
  firstBin: number,
  perUnit: number,
): void => {
  for (let i = from; i < to; i++) {
    if (mask[i] === 0) continue;
    const bin = firstBin + Math.min(bins - 1, Math.max(0, Math.floor(source[at + i] * perUnit)));
    const e = prediction[at + i] - target[at + i];
    count[bin]++;
    sum[bin] += e;
    squared[bin] += e * e;
  }
};

const addResiduals = (
  sums: ResidualSums,
  prediction: Float32Array | Float64Array,
  pixels: PatchPixels,
  { bins, bandMax }: Experiment['data'],
): void => {
  const size = pixels.width * pixels.height;
  for (let band = 0; band < pixels.bands; band++)
    for (let from = 0; from < size; from += share) {
      const to = Math.min(from + share, size);
      const perUnit = bins / bandMax[band];
      addBandResiduals(sums, prediction, pixels, band * size, from, to, bins, band * bins, perUnit);
    }
};

const applyLine = (
  slope: number,
  intercept: number,
  source: Int16Array,
  from: number,
  to: number,
  out: Float64Array,
): void => {
  for (let i = from; i < to; i++) out[i] = slope * source[i] + intercept;
};

/**
 * Predicts patches of one tile after the other; buffers are reused while the size stays, whatever the tile. New ones for
 * each of hundreds of tiles had V8 collect garbage several times a second.
 */
const predictors = (conv: ConvModule | null) => {
  let lutOut = new Float32Array(0);
  let convOut = new Float32Array(0);
  let affineOut = new Float64Array(0);
  const predict = (
    mapping: Mapping,
    tables: ReturnType<typeof expandKnots> | null,
    { source, width, height, bands }: PatchPixels,
  ): Float32Array | Float64Array => {
    const pixels = width * height;
    if (mapping.form === 'affine') {
      // float64: a line's error is compared with its closed form to nine digits
      if (affineOut.length !== source.length) affineOut = new Float64Array(source.length);
      for (let band = 0; band < bands; band++)
        for (let from = band * pixels; from < (band + 1) * pixels; from += share) {
          const to = Math.min(from + share, (band + 1) * pixels);
          applyLine(mapping.slope[band], mapping.intercept[band], source, from, to, affineOut);
        }
      return affineOut;
    }
    if (lutOut.length !== source.length) lutOut = new Float32Array(source.length);
    applyTables(tables!, source, pixels, lutOut);
    if (!conv) return lutOut;
    if (convOut.length !== source.length) convOut = new Float32Array(source.length);
    applyConv(conv, lutOut, width, height, convOut);
    return convOut;
  };
  return (mapping: Mapping) => {
    const tables = mapping.form === 'lut' ? expandKnots(mapping) : null;
    return (pixels: PatchPixels) => predict(mapping, tables, pixels);
  };
};

/** Groups patches by tile, tiles and patches in the order of the list. */
const byTile = (patches: readonly Patch[]): Map<string, Patch[]> => {
  const groups = new Map<string, Patch[]>();
  for (const patch of patches) {
    const key = tileKey(patch);
    const group = groups.get(key);
    if (group) group.push(patch);
    else groups.set(key, [patch]);
  }
  return groups;
};

/**
 * Scores a model on patches, streaming: a record of error sums for each tile (paper §6; the original's metric.py
 * pools the same sums). Memory is one patch whatever their number.
 */
export const evaluate = async (input: EvaluationInput): Promise<TileRecord[]> => {
  const { data, split, patches, read, conv, residuals, signal } = input;
  const [red, nir] = data.ndvi
    ? [data.bands.indexOf(data.ndvi.red), data.bands.indexOf(data.ndvi.nir)]
    : [0, 0];
  const records: TileRecord[] = [];
  const predictorOf = predictors(conv);
  let done = 0;
  let turn = performance.now();
  for (const [tile, group] of byTile(patches)) {
    const predict = predictorOf(await input.mapping(tile));
    const record: TileRecord = {
      split,
      tile,
      region: group[0].region,
      date: group[0].date,
      patches: group.length,
      bands: data.bands.map(noErrors),
      ndvi: data.ndvi ? { ...noErrors(), skipped: 0 } : null,
    };
    for (const patch of group) {
      signal?.throwIfAborted();
      const pixels = await read(patch);
      const prediction = predict(pixels);
      for (const [band, sums] of record.bands.entries())
        addErrors(sums, bandErrors(prediction, pixels, band));
      if (record.ndvi) {
        const more = indexErrors(prediction, pixels, red, nir);
        addErrors(record.ndvi, more);
        record.ndvi.skipped += more.skipped;
      }
      if (residuals) addResiduals(residuals, prediction, pixels, data);
      input.onProgress({
        stage: `testing on ${split}`,
        done: ++done,
        total: patches.length,
        unit: 'patches',
      });
      if (performance.now() - turn > 50) {
        await setImmediate();
        turn = performance.now();
      }
    }
    records.push(record);
  }
  return records;
};
