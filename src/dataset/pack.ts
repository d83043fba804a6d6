import { Fault } from '../fault.js';
import type { OnProgress } from '../progress.js';
import { type CacheWriter, createCacheFile } from './cache-file.js';
import { changedFault, type Input, identityOf, inputOf } from './cache-inputs.js';
import { inOrder } from './in-order.js';
import type { PackedIndex, PackedReader, PackedRecord } from './packed.js';
import type { Patch } from './patch.js';
import { type PackedPatch, patchReader } from './patch-reader.js';
import type { StatisticsWriter } from './statistics-file.js';
import { patchColumns, type TableShape } from './statistics-table.js';

/** What a pass over the patches is asked for. */
export interface PackJob {
  patches: readonly Patch[];
  /** A patch of these with the paths to read it by. */
  real: (patch: Patch) => Patch;
  bands: readonly string[];
  /** Statistics of this shape, and where their rows go; null for none. */
  statistics: { shape: TableShape; writer: StatisticsWriter } | null;
  /** The folder to write packed pixels into; null for none. */
  pixels: string | null;
  /** What is known of the files, so that unchanged ones need not be hashed. */
  known: ReadonlyMap<string, Input>;
  onProgress: OnProgress;
  signal?: AbortSignal;
}

/** What the pass made. */
export interface Packed {
  /** Ids of the rows: every patch with a valid pixel, in the job's order. */
  ids: string[];
  skipped: string[];
  /** Unfinished file of pixels and its index; null when not asked for. */
  pixels: { writer: CacheWriter; index: PackedIndex } | null;
  inputs: Map<string, Input>;
}

/** Patches with faults after which the pass gives up. */
const faultyShown = 20;

/** Files of a patch, with those beside them that are read. */
export const filesOf = ({ source, target, mask }: Patch): string[] => [
  ...new Set([source, target, mask].flatMap((ref) => (ref ? [ref.path, ...(ref.sidecars ?? [])] : []))),
];

/**
 * Reads every patch once, in parallel, for statistics, packed pixels or both. Files that change while they are read are
 * found by their times. Memory holds a few patches.
 *
 * @throws Fault with what is wrong with the first 20 faulty patches; with a full disk; when no patch has a valid pixel
 */
export const packPatches = async (job: PackJob): Promise<Packed> => {
  const { patches, bands, statistics, known, onProgress, signal } = job;
  const shape = statistics?.shape ?? null;
  let expected: number | undefined;
  const writer = job.pixels === null ? null : await createCacheFile(job.pixels, () => expected);
  const reader = patchReader(patches.length);
  const inputs = new Map<string, Input>();
  /** Identities at first sight that `inputs` does not tell. */
  const seen = new Map<string, string>();
  const hashing = new Map<string, Promise<void>>();
  const input = (path: string): Promise<void> => {
    if (inputs.has(path)) return Promise.resolve();
    const begun =
      hashing.get(path) ??
      inputOf(path, known.get(path)).then((found) => {
        inputs.set(path, found);
        hashing.delete(path);
        if (seen.get(path) === found.identity) seen.delete(path);
      });
    hashing.set(path, begun);
    return begun;
  };

  // the identity at first sight holds for the whole pass: windows of one raster are read at different times
  const unchanged = async (path: string): Promise<void> => {
    const { identity } = await identityOf(path);
    const first = seen.get(path) ?? inputs.get(path)?.identity;
    if (first === undefined) seen.set(path, identity);
    else if (first !== identity) throw changedFault(path);
  };

  const read = async (listed: Patch): Promise<PackedPatch | null | Fault> => {
    const patch = job.real(listed);
    const paths = filesOf(patch);
    try {
      await Promise.all(paths.map(unchanged));
      const job = { patch, bands, shape, pixels: writer !== null };
      const [packed] = await Promise.all([reader.read(job), ...paths.map(input)]);
      await Promise.all(paths.map(unchanged));
      return packed;
    } catch (error) {
      if (error instanceof Fault) return error;
      throw error;
    }
  };

  try {
    const records: PackedRecord[] = [];
    const ids: string[] = [];
    const skipped: string[] = [];
    const faults: string[] = [];
    let [faulty, done] = [0, 0];
    await inOrder(patches, reader.atOnce, read, async (result, patch) => {
      signal?.throwIfAborted();
      onProgress({ stage: 'packing', done: ++done, total: patches.length, unit: 'patches' });
      if (result instanceof Fault) {
        faults.push(...result.faults);
        if (++faulty >= faultyShown)
          throw new Fault([...faults, 'data: more may be faulty; see `bandalign dataset check`']);
        return;
      }
      if (result === null) {
        skipped.push(patch.id);
        return;
      }
      // a table or file with faulty patches left out is of no use
      if (faults.length > 0) return;
      if (result.columns) await statistics?.writer.add(result.columns);
      if (writer && result.pixels) {
        expected ??= patches.length * result.pixels.byteLength;
        const { offset, checksum } = await writer.append(new Uint8Array(result.pixels));
        records.push([offset, result.width, result.height, checksum]);
      }
      ids.push(patch.id);
    });
    if (faults.length > 0) throw new Fault(faults);
    if (ids.length === 0)
      throw new Fault(`data: none of ${patches.length} patches has a valid pixel; look at their masks`);
    const index = { bands: bands.length, ids, skipped, records };
    return { ids, skipped, pixels: writer && { writer, index }, inputs };
  } catch (error) {
    await writer?.discard();
    throw error;
  } finally {
    await reader.close();
  }
};

/** Adds statistics of another shape from pixels that are packed already: nothing is decoded. */
export const addPacked = async (
  reader: PackedReader,
  { shape, writer }: NonNullable<PackJob['statistics']>,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<void> => {
  const batches = Array.from({ length: reader.length }, (_, row) => [row]);
  let done = 0;
  for await (const [pixels] of reader.readAhead(batches, 4)) {
    signal?.throwIfAborted();
    await writer.add(patchColumns(pixels, shape));
    onProgress({ stage: 'counting', done: ++done, total: reader.length, unit: 'patches' });
  }
};
