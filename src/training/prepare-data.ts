import type { Experiment } from '../config/schema.js';
import { openCache } from '../dataset/cache.js';
import { patchHistograms, tileHistograms } from '../dataset/histogram-source.js';
import { openDataset } from '../dataset/layout.js';
import type { ListName } from '../dataset/lists.js';
import { type Patch, type PatchPixels, tileKey } from '../dataset/patch.js';
import { type StatisticsTable, type SummedRows, sumRows } from '../dataset/statistics-table.js';
import { Fault } from '../fault.js';
import type { OnProgress } from '../progress.js';

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
  /** Pixels of one patch; the arrays are overwritten by the next call. */
  read: (patch: Patch) => PatchPixels;
  /** Pixels of batches of rows, read ahead. */
  batches: (rows: readonly (readonly number[])[]) => AsyncIterable<PatchPixels[]>;
  skipped: readonly string[];
  /** SHA-256 of all that was read. */
  digest: string;
  /** What the person should know, a line each. */
  notes: string[];
  close: () => Promise<void>;
}

const listed = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 'es'}`;

/**
 * Opens a dataset and its caches; what they lack is read and packed first.
 *
 * @throws Fault for bad lists, files and pickles, and for a list without a patch that has a valid pixel
 */
export const prepareData = async (
  experiment: Experiment,
  root: string,
  { divide, onProgress, signal }: { divide?: string; onProgress: OnProgress; signal?: AbortSignal },
): Promise<PreparedData> => {
  const { data, model, split } = experiment;
  const dataset = await openDataset(root, data, { divide, split });
  const cache = await openCache({ dataset, data, knots: model.knots, pixels: true, onProgress, signal });
  const { table } = cache;
  const pixels = cache.pixels!;
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
  for (const { missing } of [patchCounts, tileCounts])
    if (missing.length > 0)
      notes.push(
        `a histogram pickle lacks ${missing.length} keys (${missing[0]}, …): histograms are counted anew`,
      );
  const row = ({ id }: Patch): number => cache.index(id)!;
  const tiles = new Map<string, Patch[]>();
  for (const patch of keep(dataset.all)) {
    const key = tileKey(patch);
    tiles.set(key, [...(tiles.get(key) ?? []), patch]);
  }
  const buffers = new Map<string, PatchPixels>();
  return {
    lists,
    table,
    row,
    ofTile: (tile) => tiles.get(tile) ?? [],
    sum: (patches) => sumRows(table, patches.map(row)),
    patchHistogram: (at) => patchCounts.counts.get(table.ids[at])!,
    tileHistogram: (tile) => tileCounts.counts.get(tile)!,
    read: (patch) => {
      const at = row(patch);
      const { width, height } = pixels.size(at);
      const size = `${width}×${height}`;
      const read = pixels.read(at, buffers.get(size));
      buffers.set(size, read);
      return read;
    },
    batches: (rows) => pixels.readAhead(rows),
    skipped: cache.skipped,
    digest: cache.digest,
    notes,
    close: cache.close,
  };
};
