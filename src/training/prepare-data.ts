import { openCache } from '../dataset/cache.js';
import { patchHistograms, tileHistograms } from '../dataset/histogram-source.js';
import { type Dataset, openDataset } from '../dataset/layout.js';
import type { ListName } from '../dataset/lists.js';
import type { PackedReader } from '../dataset/packed.js';
import { type Patch, type PatchPixels, tileKey } from '../dataset/patch.js';
import { readPatch } from '../dataset/read-patch.js';
import { type StatisticsTable, type SummedRows, sumJoint, sumRows } from '../dataset/statistics-table.js';
import type { Experiment } from '../experiments/experiment.js';
import { Fault } from '../fault.js';
import { modelOf } from '../models/index.js';
import type { FitInput, Tile } from '../models/model.js';
import type { OnProgress } from '../progress.js';
import { withRaster } from '../raster/read.js';
import { contextOf } from './network.js';

/** A dataset ready to train and test on: lists, statistics, histograms, packed pixels. */
export interface PreparedData {
  /** The lists, patches without a valid pixel left out. */
  lists: Record<ListName, Patch[]>;
  table: StatisticsTable;
  /** Row of a patch in the table. */
  row: (patch: Patch) => number;
  /** Patches of a tile, whatever their list. */
  ofTile: (tile: string) => Patch[];
  /** Statistics of some patches together. */
  sum: (patches: readonly Patch[]) => SummedRows;
  /** Source counts of a row's patch, [bands·bins]. */
  patchHistogram: (row: number) => Float64Array;
  /** Source counts of a tile, [bands·bins]. */
  tileHistogram: (tile: string) => Float64Array;
  /** A row's patch as if it were a tile of its own. */
  patch: (row: number) => Tile;
  /** A tile as its mapping is asked for: what its source pixels say. */
  tile: (tile: string) => Tile;
  /**
   * Pixels of one patch; the arrays are overwritten by the next call. At once from packed pixels, else by a promise
   * from the patch's files.
   */
  read: (patch: Patch) => PatchPixels | Promise<PatchPixels>;
  /** Pixels of batches of rows, read ahead; for a model with a conv module. */
  batches: (
    rows: readonly (readonly number[])[],
    allocate?: (bytes: number) => Uint8Array,
  ) => AsyncIterable<PatchPixels[]>;
  skipped: readonly string[];
  /** SHA-256 of all that was read. */
  digest: string;
  /** What the person should know, a line each. */
  notes: string[];
  close: () => Promise<void>;
}

/**
 * Bytes of packed pixels that are packed for any model, as that makes testing fast. Beyond it only a model that trains on
 * pixels gets them packed: the paper's 16 915 patches take 75 GB, and statistics suffice to train a LUT.
 */
const packedForAll = 4e9;

const packedBytes = async (
  { all: [first, ...others] }: Pick<Dataset, 'all'>,
  bands: number,
): Promise<number> => {
  const { path, window } = first.source;
  // a file that cannot be opened is a fault among others, which reading them all tells
  const [, , width, height] =
    window ??
    (await withRaster(path, async (raster) => [0, 0, raster.width, raster.height] as const).catch(
      () => [0, 0, 0, 0] as const,
    ));
  return (others.length + 1) * width * height * (4 * bands + 1);
};

/** Pixels in buffers of their own, one for each size. */
const packedPixels = (pixels: PackedReader, row: (patch: Patch) => number): PreparedData['read'] => {
  const buffers = new Map<string, PatchPixels>();
  return (patch) => {
    const at = row(patch);
    const { width, height } = pixels.size(at);
    const size = `${width}×${height}`;
    const read = pixels.read(at, buffers.get(size));
    buffers.set(size, read);
    return read;
  };
};

/** Share of pixels in other bins from which a pickle is taken to be of other bins or images. */
const pickleMisfit = 0.01;

const listed = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 'es'}`;

/**
 * Opens a dataset and its caches; what they lack is read and packed first. Pixels are packed for a model with a conv
 * module, and for any model while they take less than 4 GB; else they are read from the patches' files.
 *
 * @throws Fault for bad lists, files and pickles, and for a list without a patch that has a valid pixel
 */
export const prepareData = async (
  experiment: Experiment,
  root: string,
  {
    divide,
    packUpTo = packedForAll,
    onProgress,
    signal,
  }: {
    divide?: string;
    /** Bytes up to which pixels are packed for a model without a conv module. @default 4e9 */
    packUpTo?: number;
    onProgress: OnProgress;
    signal?: AbortSignal;
  },
): Promise<PreparedData> => {
  const { data, model, split } = experiment;
  const dataset = await openDataset(root, data, { divide, split });
  const pack = model.conv === true || (await packedBytes(dataset, data.bands.length)) <= packUpTo;
  const cache = await openCache({
    dataset,
    data,
    knots: model.knots,
    joint: modelOf(experiment).joint?.(contextOf(experiment)) ?? undefined,
    pixels: pack,
    onProgress,
    signal,
  });
  const { table, pixels } = cache;
  const [patchCounts, tileCounts] = await Promise.all([
    patchHistograms(root, table, data),
    tileHistograms(root, table, data),
  ]);
  const keep = (patches: Patch[]): Patch[] => patches.filter(({ id }) => cache.index(id) !== undefined);
  const lists = {
    train: keep(dataset.lists.train),
    val: keep(dataset.lists.val),
    test: keep(dataset.lists.test),
  };
  for (const [name, patches] of Object.entries(lists))
    if (patches.length === 0)
      throw new Fault(`list: ${name} of ${root}; none of its patches has a valid pixel`);
  const notes = [...dataset.notes];
  if (cache.skipped.length > 0)
    notes.push(
      `${listed(cache.skipped.length, 'patch')} without a valid pixel left out: ${cache.skipped.slice(0, 5).join(', ')}`,
    );
  for (const { missing, otherShape, difference } of [patchCounts, tileCounts]) {
    if (otherShape)
      notes.push(
        `a histogram pickle is of [${otherShape.join(', ')}], not [${data.bands.length}, ${data.bins}]: histograms are counted anew`,
      );
    if (missing.length > 0)
      notes.push(
        `a histogram pickle lacks ${missing.length} keys (${missing[0]}, …): histograms are counted anew`,
      );
    if (difference > pickleMisfit)
      notes.push(
        `a histogram pickle puts ${(100 * difference).toFixed(1)} % of the pixels into other bins than these images do: was it made with another bandMax or of other images? data.histograms=computed counts anew`,
      );
  }
  const row = ({ id }: Patch): number => cache.index(id)!;
  const tiles = new Map<string, Patch[]>();
  for (const patch of keep(dataset.all)) {
    const key = tileKey(patch);
    tiles.set(key, [...(tiles.get(key) ?? []), patch]);
  }
  const seen = (histogram: Float64Array, rows: readonly number[]): Tile => {
    const joint = sumJoint(table, rows);
    return joint ? { histogram, joint } : { histogram };
  };
  const patchHistogram = (at: number): Float64Array => patchCounts.counts.get(table.ids[at])!;
  const tileHistogram = (tile: string): Float64Array => tileCounts.counts.get(tile)!;
  return {
    lists,
    table,
    row,
    ofTile: (tile) => tiles.get(tile) ?? [],
    sum: (patches) => sumRows(table, patches.map(row)),
    patchHistogram,
    tileHistogram,
    patch: (at) => seen(patchHistogram(at), [at]),
    tile: (key) => seen(tileHistogram(key), (tiles.get(key) ?? []).map(row)),
    read: pixels ? packedPixels(pixels, row) : (patch) => readPatch(patch, data.bands),
    batches: (rows, allocate) => {
      if (!pixels) throw new Error('prepareData: batches of pixels, but none are packed without model.conv');
      return pixels.readAhead(rows, 2, allocate);
    },
    skipped: cache.skipped,
    digest: cache.digest,
    notes,
    close: cache.close,
  };
};

/** What a model is fitted on. */
export const fitInputOf = (experiment: Experiment, data: PreparedData): FitInput<never> => ({
  ...contextOf(experiment),
  sums: data.sum(data.lists.train),
  patches: {
    table: data.table,
    rows: { train: data.lists.train.map(data.row), val: data.lists.val.map(data.row) },
    histogram: data.patchHistogram,
    tileHistogram: data.tileHistogram,
    patch: data.patch,
    tile: data.tile,
    sum: (rows) => sumRows(data.table, rows),
  },
});
