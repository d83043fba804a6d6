import { createHash } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve, sep } from 'node:path';
import type { DataSettings } from '../config/schema.js';
import { Fault } from '../fault.js';
import { digest, exists } from '../files.js';
import { withLock } from '../lock.js';
import { ignoreProgress, type OnProgress } from '../progress.js';
import {
  cacheFault,
  cacheRoot,
  makeCacheFolder,
  openCacheFile,
  removeLeftovers,
  removeOtherContents,
} from './cache-file.js';
import {
  contentsDigest,
  type Manifest,
  readManifest,
  refreshManifest,
  writeManifest,
} from './cache-inputs.js';
import type { JointShape } from './joint-statistics.js';
import type { Dataset } from './layout.js';
import { addPacked, filesOf, packPatches } from './pack.js';
import { type PackedIndex, type PackedReader, packedReader } from './packed.js';
import { type Patch, type RasterRef, tileKey } from './patch.js';
import { checkStatistics, readStatistics, type StatisticsRows, statisticsWriter } from './statistics-file.js';
import type { StatisticsTable, TableShape } from './statistics-table.js';

export interface CacheOptions {
  dataset: Pick<Dataset, 'all'>;
  data: Pick<DataSettings, 'bands' | 'bandMax' | 'bins'>;
  /** Knots of the statistics. */
  knots: number;
  /** Statistics of all bands together too, of this shape. */
  joint?: JointShape;
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

/**
 * What gives a patch with one path for each file, from wherever it was named: absolute, without symbolic links in its
 * folders. The file itself may be a link; its contents tell it from another.
 */
const realPaths = async (patches: readonly Patch[]): Promise<(patch: Patch) => Patch> => {
  /** Real folders by those that are named, with the separator behind them. */
  const folders = new Map<string, string>();
  for (const { source, target, mask } of patches)
    for (const ref of [source, target, mask]) {
      const folder = ref && dirname(ref.path);
      if (folder === null || folders.has(folder)) continue;
      // a folder that is not there is told when its files are read
      folders.set(folder, join(await realpath(folder).catch(() => resolve(folder)), sep));
    }
  const real = <Ref extends RasterRef | null>(ref: Ref): Ref =>
    ref && { ...ref, path: `${folders.get(dirname(ref.path))}${basename(ref.path)}` };
  return (patch) => ({
    ...patch,
    source: real(patch.source),
    target: real(patch.target),
    mask: real(patch.mask),
  });
};

/** Everything about a patch that the cache depends on. */
const patchKey = ({ id, tile, date, source, target, mask, anyNodata }: Patch): unknown => {
  const ref = (raster: RasterRef | null) => {
    if (raster === null) return null;
    const { path, window, bands, ...rest } = raster;
    return [path, window, bands, ...(Object.keys(rest).length > 0 ? [rest] : [])];
  };
  return [id, tile, date, ref(source), ref(target), ref(mask), ...(anyNodata ? ['any nodata'] : [])];
};

/** Where a cache lies, and what it is of. */
interface Location {
  folder: string;
  key: string;
  shape: TableShape;
  /** Sorted by id: lists and folds may change without a new pass. */
  patches: readonly Patch[];
  /** A patch of these with real paths: made when it is asked for, as thousands of them take memory. */
  real: (patch: Patch) => Patch;
}

const locate = async ({ dataset, data, knots, joint }: CacheOptions): Promise<Location> => {
  const patches = [...dataset.all].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  const real = await realPaths(patches);
  // the number is the version of what is computed: raise it when reading or counting changes what it makes of the same files
  const hash = createHash('sha256').update(`["bandalign patches",1,${data.bands.length},[`);
  // a patch at a time: the text of all is of some megabytes
  for (const [at, patch] of patches.entries())
    hash.update(`${at > 0 ? ',' : ''}${JSON.stringify(patchKey(real(patch)))}`);
  const key = hash.update(']]').digest('hex');
  const shape = { knots, bins: data.bins, bandMax: [...data.bandMax], ...(joint && { joint }) };
  return { folder: join(cacheRoot(), key.slice(0, 32)), key, shape, patches, real };
};

const statisticsPath = ({ folder, shape }: Location, contents: string): string =>
  join(folder, `statistics-${digest(JSON.stringify(shape)).slice(0, 16)}-${contents}.bin`);

const pixelsPath = ({ folder }: Location, contents: string): string => join(folder, `pixels-${contents}.bin`);

const openPixels = async (
  location: Location,
  contents: string,
): Promise<(PackedReader & { index: PackedIndex }) | null> => {
  const path = pixelsPath(location, contents);
  const opened = await openCacheFile(path);
  try {
    return opened && packedReader(opened);
  } catch {
    await opened?.file.close();
    return null;
  }
};

type Loaded = Omit<DatasetCache, 'built'>;

/** Opens what is there for these contents; null when any part is missing. */
const load = async (location: Location, contents: string, pixels: boolean): Promise<Loaded | null> => {
  const reader = await openPixels(location, contents);
  if (pixels && !reader) return null;
  const opened = await openCacheFile(statisticsPath(location, contents));
  // damaged statistics are gone when that is found: they are built anew
  const statistics = opened && (await readStatistics(opened, location.shape).catch(() => null));
  if (!statistics) {
    await reader?.close();
    return null;
  }
  const { table, skipped } = statistics;
  const rows = new Map(table.ids.map((id, row) => [id, row]));
  return {
    table,
    index: (id) => rows.get(id),
    ...(reader ? { pixels: reader } : {}),
    skipped,
    digest: contents,
    folder: location.folder,
    close: async () => {
      await reader?.close();
    },
  };
};

/** The manifest as the files are now; null where nothing was built yet. */
const current = async (location: Location, signal?: AbortSignal): Promise<Manifest | null> => {
  const files = function* (): Generator<string> {
    for (const patch of location.patches) yield* filesOf(location.real(patch));
  };
  const stored = await readManifest(location.folder, location.key, files());
  if (!stored) return null;
  const { manifest, renewed } = await refreshManifest(location.key, stored, signal);
  // new times of unchanged contents: not worth a failure where the cache is read-only
  if (renewed && manifest.digest === stored.digest)
    await writeManifest(location.folder, manifest).catch(() => {});
  return manifest;
};

const tilesOf = (location: Location, ids: readonly string[]): string[] => {
  const byId = new Map(location.patches.map((patch) => [patch.id, tileKey(patch)]));
  return ids.map((id) => byId.get(id) as string);
};

/** Builds what is missing; returns the number of patches read. */
const build = async (
  location: Location,
  manifest: Manifest | null,
  { data, pixels, onProgress = ignoreProgress, signal }: CacheOptions,
): Promise<number> => {
  await removeLeftovers(location.folder);
  const begin = async () => ({
    shape: location.shape,
    writer: await statisticsWriter(location.folder, location.shape, location.patches.length),
  });
  const finish = (
    { writer }: Awaited<ReturnType<typeof begin>>,
    contents: string,
    { ids, skipped }: { ids: string[]; skipped: string[] },
  ): Promise<void> =>
    writer.finish(statisticsPath(location, contents), { ids, tiles: tilesOf(location, ids), skipped });
  const packed = manifest && (await openPixels(location, manifest.digest));
  if (packed && manifest) {
    const statistics = await begin();
    try {
      await addPacked(packed, statistics, onProgress, signal);
      await finish(statistics, manifest.digest, packed.index);
      return packed.length;
    } catch (error) {
      // a damaged file is gone when that is found: the next attempt packs anew
      if (error instanceof Fault && !(await exists(pixelsPath(location, manifest.digest)))) return 0;
      throw error;
    } finally {
      await statistics.writer.discard();
      await packed.close();
    }
  }
  const stored = manifest && (await openCacheFile(statisticsPath(location, manifest.digest)));
  await stored?.file.close();
  const statistics = stored ? null : await begin();
  try {
    const made = await packPatches({
      patches: location.patches,
      real: location.real,
      bands: data.bands,
      statistics,
      pixels: pixels ? location.folder : null,
      known: manifest?.inputs ?? new Map(),
      onProgress,
      signal,
    });
    const contents = contentsDigest(location.key, made.inputs);
    try {
      await made.pixels?.writer.finish(pixelsPath(location, contents), made.pixels.index);
      if (statistics) await finish(statistics, contents, made);
    } finally {
      await made.pixels?.writer.discard();
    }
    await writeManifest(location.folder, { inputs: made.inputs, digest: contents });
    await removeOtherContents(location.folder, contents);
    return location.patches.length;
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
 * as recorded is taken as unchanged; any other is hashed again. What was made from other contents is never used, and what is
 * damaged is built anew: every block has a checksum that is tested when it is read. Files are renamed into place whole; of
 * several processes one builds and the others wait.
 *
 * @throws Fault with what is wrong with the first 20 faulty patches, when no patch has a valid pixel, when the disk is
 *   full (with the bytes needed), or when files change all the time
 */
export const openCache = (options: CacheOptions): Promise<DatasetCache> => withCache(options, load);

/** What {@link packCache} made sure of. */
export interface PackedDataset extends StatisticsRows, Pick<DatasetCache, 'digest' | 'folder' | 'built'> {}

/** Builds and checks what {@link openCache} opens, and holds none of it: memory does not grow with the patches' statistics. */
export const packCache = (options: CacheOptions): Promise<PackedDataset> =>
  withCache(options, async (location, contents, pixels) => {
    const reader = await openPixels(location, contents);
    await reader?.close();
    if (pixels && !reader) return null;
    const opened = await openCacheFile(statisticsPath(location, contents));
    const rows = opened && (await checkStatistics(opened, location.shape).catch(() => null));
    return rows && { ...rows, digest: contents, folder: location.folder, close: async () => {} };
  });

const withCache = async <T extends { close: () => Promise<void> }>(
  options: CacheOptions,
  load: (location: Location, contents: string, pixels: boolean) => Promise<T | null>,
): Promise<T & Pick<DatasetCache, 'built'>> => {
  const { pixels, onProgress = ignoreProgress, signal } = options;
  const location = await locate(options);
  const started = performance.now();
  const ready = async (): Promise<{ manifest: Manifest | null; loaded: T | null }> => {
    const manifest = await current(location, signal);
    return { manifest, loaded: manifest && (await load(location, manifest.digest, pixels)) };
  };
  let patches = 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const { loaded } = await ready();
    if (loaded) {
      const seconds = (performance.now() - started) / 1000;
      return { ...loaded, built: patches > 0 ? { patches, seconds } : null };
    }
    await makeCacheFolder(location.folder);
    const onHeld = (owner: string): void =>
      onProgress({
        stage: `waiting for another process to pack (${owner})`,
        done: 0,
        total: 1,
        unit: 'cache',
      });
    patches += await withLock(
      join(location.folder, 'lock'),
      async () => {
        const again = await ready();
        await again.loaded?.close();
        if (again.loaded) return 0;
        try {
          return await build(location, again.manifest, options);
        } catch (error) {
          throw cacheFault(location.folder, error);
        }
      },
      { onHeld, signal, fault: (error) => cacheFault(location.folder, error) },
    );
  }
  throw new Fault('data: files keep changing while they are read; run again when they are finished', 1);
};
