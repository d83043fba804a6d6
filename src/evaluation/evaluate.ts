import { setImmediate } from 'node:timers/promises';
import { type Patch, type PatchPixels, tileKey } from '../dataset/patch.js';
import type { ConvModule } from '../engine/conv.js';
import type { ValueResiduals } from '../experiments/aligner.js';
import type { Experiment } from '../experiments/experiment.js';
import {
  addErrors,
  bandErrors,
  type ErrorSums,
  ndviErrors,
  noErrors,
  pixelsPerCall,
} from '../metrics/error-sums.js';
import { type Mapping, pixelAligner } from '../models/mapping.js';
import type { OnProgress } from '../progress.js';
import type { TileRecord } from './tile-record.js';

/** What {@link evaluate} works on. */
export interface EvaluationInput {
  /** `ndvi` null: no sums of it. */
  data: Pick<Experiment['data'], 'bands' | 'ndvi' | 'bins' | 'bandMax'>;
  split: TileRecord['split'];
  patches: readonly Patch[];
  /** Decoded pixels of a patch. */
  read: (patch: Patch) => PatchPixels | Promise<PatchPixels>;
  /** The mapping of a tile (`tile_date`); a cross-fitted bound has another one for each half of its patches. */
  mapping: (tile: string, patch: Patch) => Promise<Mapping>;
  conv: ConvModule | null;
  /** Receives the residuals by source value. */
  residuals?: ResidualSums;
  /** Called after each patch with its error sums, in the order of bands; patches of a tile come together. */
  onPatch?: (patch: Patch, bands: readonly ErrorSums[]) => void;
  onProgress: OnProgress;
  signal?: AbortSignal;
}

/** Residuals (prediction − target) by bin of the source value, [bands·bins]: how many, Σe, Σe². */
export interface ResidualSums {
  count: Float64Array;
  sum: Float64Array;
  squared: Float64Array;
}

/** @param size bands · bins */
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
  { bins, bandMax }: EvaluationInput['data'],
): void => {
  const size = pixels.width * pixels.height;
  for (let band = 0; band < pixels.bands; band++)
    for (let from = 0; from < size; from += pixelsPerCall) {
      const to = Math.min(from + pixelsPerCall, size);
      const perUnit = bins / bandMax[band];
      addBandResiduals(sums, prediction, pixels, band * size, from, to, bins, band * bins, perUnit);
    }
};

/** Patches grouped by tile, tiles and patches in the order of the list. */
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
 * The one pass over pixels: aligns patch after patch and compares it with its target. One patch is in memory at a time.
 *
 * @returns a record of error sums for each tile, in the order of the list
 * @throws what `read` and `mapping` throw; the signal's reason once it aborts
 */
export const evaluate = async (input: EvaluationInput): Promise<TileRecord[]> => {
  const { data, split, patches, read, conv, residuals, onPatch, signal } = input;
  const [red, nir] = data.ndvi
    ? [data.bands.indexOf(data.ndvi.red), data.bands.indexOf(data.ndvi.nir)]
    : [0, 0];
  const records: TileRecord[] = [];
  const alignerOf = pixelAligner(conv);
  let done = 0;
  let turn = performance.now();
  for (const [tile, group] of byTile(patches)) {
    let mapping: Mapping | null = null;
    let align: ReturnType<typeof alignerOf>;
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
      const own = await input.mapping(tile, patch);
      if (own !== mapping) align = alignerOf(own);
      mapping = own;
      if (own.expected) record.expected = own.expected;
      const pixels = await read(patch);
      const prediction = align!(pixels);
      const errors = record.bands.map((_, band) => bandErrors(prediction, pixels, band));
      for (const [band, sums] of record.bands.entries()) addErrors(sums, errors[band]);
      onPatch?.(patch, errors);
      if (record.ndvi) {
        const more = ndviErrors(prediction, pixels, red, nir);
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
