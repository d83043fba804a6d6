import { join, resolve } from 'node:path';
import type { Experiment } from '../config/schema.js';
import { Fault } from '../fault.js';
import { digest } from '../files.js';
import { ignoreProgress, type OnProgress } from '../progress.js';
import {
  cacheFault,
  cacheRoot,
  makeFolder,
  openCacheFile,
  removeLeftovers,
  removeOtherContents,
} from './cache-file.js';
import { withLock } from './cache-lock.js';
import {
  contentsDigest,
  type Manifest,
  readManifest,
  refreshManifest,
  writeManifest,
} from './cache-manifest.js';
import type { Dataset } from './layout.js';
import { addPacked, packPatches } from './pack.js';
import { type PackedIndex, type PackedReader, packedReader } from './packed.js';
import { type Patch, type RasterRef, tileKey } from './patch.js';
import { readStatistics, statisticsWriter } from './statistics-file.js';
import type { StatisticsTable, TableShape } from './statistics-table.js';

export interface CacheOptions {
  dataset: Pick<Dataset, 'all'>;
  data: Pick<Experiment['data'], 'bands' | 'bandMax' | 'bins'>;
  /** Knots of the statistics. */
  knots: number;
  /** True: packed pixels too. */
  pixels: boolean;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/** Statistics and pixels of a dataset's patches, read once and kept. */
export interface DatasetCache {
  table: StatisticsTable;
  /** Row of a patch in the table and in the pixels; undefined for a skipped one. */
  index: (id: string) => number | undefined;
  /** There when asked for, and when they are packed already. */
  pixels?: PackedReader;
  /** Ids of patches without any valid pixel, which are left out. */
  skipped: readonly string[];
  /** SHA-256 over the list of patches and the contents of all their files. */
  digest: string;
  /** The folder of the cache. */
  folder: string;
  /** What this call had to read; null when all was there. */
  built: { patches: number; seconds: number } | null;
  close: () => Promise<void>;
}

/** Everything about a patch that the cache depends on, paths made absolute. */
const patchKey = ({ id, tile, date, source, target, mask, anyNodata }: Patch): unknown => {
  const ref = (raster: RasterRef | null) => {
    if (raster === null) return null;
    const { path, window, bands, ...rest } = raster;
    return [resolve(path), window, bands, ...(Object.keys(rest).length > 0 ? [rest] : [])];
  };
  return [id, tile, date, ref(source), ref(target), ref(mask), ...(anyNodata ? ['any nodata'] : [])];
};

interface Place {
  folder: string;
  key: string;
  shape: TableShape;
  /** Sorted by id: lists and folds may change without a new pass. */
  patches: Patch[];
}

const placeOf = ({ dataset, data, knots }: CacheOptions): Place => {
  const patches = [...dataset.all].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  // version of what is computed: raise it when reading or counting changes what it makes of the same files
  const key = digest(JSON.stringify(['bandalign patches', 1, data.bands.length, patches.map(patchKey)]));
  const shape = { knots, bins: data.bins, bandMax: [...data.bandMax] };
  return { folder: join(cacheRoot(), key.slice(0, 32)), key, shape, patches };
};

const statisticsPath = ({ folder, shape }: Place, contents: string): string =>
  join(folder, `statistics-${digest(JSON.stringify(shape)).slice(0, 16)}-${contents}.bin`);

const pixelsPath = ({ folder }: Place, contents: string): string => join(folder, `pixels-${contents}.bin`);

const openPixels = async (
  place: Place,
  contents: string,
): Promise<(PackedReader & { index: PackedIndex }) | null> => {
  const path = pixelsPath(place, contents);
  const opened = await openCacheFile(path);
  return opened && { ...packedReader(path, opened), index: opened.index as PackedIndex };
};

type Loaded = Omit<DatasetCache, 'built'>;

/** Opens what is there for these contents; null when any part is missing. */
const load = async (place: Place, contents: string, pixels: boolean): Promise<Loaded | null> => {
  const reader = await openPixels(place, contents);
  if (pixels && !reader) return null;
  const opened = await openCacheFile(statisticsPath(place, contents));
  if (!opened) {
    await reader?.close();
    return null;
  }
  const { table, skipped } = await readStatistics(opened);
  const rows = new Map(table.ids.map((id, row) => [id, row]));
  return {
    table,
    index: (id) => rows.get(id),
    ...(reader ? { pixels: reader } : {}),
    skipped,
    digest: contents,
    folder: place.folder,
    close: async () => {
      await reader?.close();
    },
  };
};

/** The manifest as the files are now; null where nothing was built yet. */
const current = async (place: Place, signal?: AbortSignal): Promise<Manifest | null> => {
  const stored = await readManifest(place.folder, place.key);
  if (!stored) return null;
  const { manifest, renewed } = await refreshManifest(place.key, stored, signal);
  // new times of unchanged contents: not worth a failure where the cache is read-only
  if (renewed && manifest.digest === stored.digest)
    await writeManifest(place.folder, manifest).catch(() => {});
  return manifest;
};

const tilesOf = (place: Place, ids: readonly string[]): string[] => {
  const byId = new Map(place.patches.map((patch) => [patch.id, tileKey(patch)]));
  return ids.map((id) => byId.get(id) as string);
};

/** Builds what is missing; returns the number of patches read. */
const build = async (
  place: Place,
  manifest: Manifest | null,
  { data, pixels, onProgress = ignoreProgress, signal }: CacheOptions,
): Promise<number> => {
  await removeLeftovers(place.folder);
  const begin = async () => ({
    shape: place.shape,
    writer: await statisticsWriter(place.folder, place.shape, place.patches.length),
  });
  const finish = (
    { writer }: Awaited<ReturnType<typeof begin>>,
    contents: string,
    { ids, skipped }: { ids: string[]; skipped: string[] },
  ): Promise<void> =>
    writer.finish(statisticsPath(place, contents), { ids, tiles: tilesOf(place, ids), skipped });
  const packed = manifest && (await openPixels(place, manifest.digest));
  if (packed && manifest) {
    const statistics = await begin();
    try {
      await addPacked(packed, statistics, onProgress, signal);
      await finish(statistics, manifest.digest, packed.index);
      return packed.length;
    } finally {
      await statistics.writer.discard();
      await packed.close();
    }
  }
  const stored = manifest && (await openCacheFile(statisticsPath(place, manifest.digest)));
  await stored?.file.close();
  const statistics = stored ? null : await begin();
  try {
    const made = await packPatches({
      patches: place.patches,
      bands: data.bands,
      statistics,
      pixels: pixels ? place.folder : null,
      known: manifest?.inputs ?? new Map(),
      onProgress,
      signal,
    });
    const contents = contentsDigest(place.key, made.inputs);
    try {
      await made.pixels?.writer.finish(pixelsPath(place, contents), made.pixels.index);
      if (statistics) await finish(statistics, contents, made);
    } finally {
      await made.pixels?.writer.discard();
    }
    await writeManifest(place.folder, { inputs: made.inputs, digest: contents });
    await removeOtherContents(place.folder, contents);
    return place.patches.length;
  } finally {
    await statistics?.writer.discard();
  }
};

/** Contents may change between two looks, or another process may build for newer ones; not for ever. */
const attempts = 5;

/**
 * Opens the cache of a dataset's statistics (and pixels) in `$BANDALIGN_CACHE`, else `.bandalign/cache` under the working
 * directory, and builds what is missing in one pass over the patches. Nothing is written into the dataset.
 *
 * The cache goes by content: by the list of patches and the SHA-256 of every file. A file whose size, inode and times are
 * as recorded is taken as unchanged; any other is hashed again. What was made from other contents is never used. Files are
 * renamed into place whole; of several processes one builds and the others wait.
 *
 * @throws Fault with what is wrong with the first 20 faulty patches, when no patch has a valid pixel, when the disk is
 *   full (with the bytes needed), or when files change all the time
 */
export const openCache = async (options: CacheOptions): Promise<DatasetCache> => {
  const { pixels, onProgress = ignoreProgress, signal } = options;
  const place = placeOf(options);
  const started = performance.now();
  const ready = async (): Promise<{ manifest: Manifest | null; loaded: Loaded | null }> => {
    const manifest = await current(place, signal);
    return { manifest, loaded: manifest && (await load(place, manifest.digest, pixels)) };
  };
  let patches = 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const { loaded } = await ready();
    if (loaded) {
      const seconds = (performance.now() - started) / 1000;
      return { ...loaded, built: patches > 0 ? { patches, seconds } : null };
    }
    await makeFolder(place.folder);
    const onWait = (): void =>
      onProgress({ stage: 'waiting for another process to pack', done: 0, total: 1, unit: 'cache' });
    patches += await withLock(
      place.folder,
      async () => {
        const again = await ready();
        await again.loaded?.close();
        if (again.loaded) return 0;
        try {
          return await build(place, again.manifest, options);
        } catch (error) {
          throw cacheFault(place.folder, error);
        }
      },
      { onWait, signal },
    );
  }
  throw new Fault('data: files keep changing while they are read; run again when they are finished', 1);
};
