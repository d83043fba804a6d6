import { readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { reason } from '../fault.js';
import { type CacheFile, readBytes, removeDamaged } from './cache-file.js';
import type { PatchPixels } from './patch.js';

/** Where a patch lies in the file of packed pixels (byte offset), its size, and the CRC-32 of its bytes. */
export type PackedRecord = readonly [offset: number, width: number, height: number, checksum: number];

/** Index of a file of packed pixels. */
export interface PackedIndex {
  bands: number;
  ids: string[];
  /** Patches without a valid pixel. */
  skipped: string[];
  records: PackedRecord[];
}

/** Decoded pixels of all patches, in the rows of the statistics table. */
export interface PackedReader {
  bands: number;
  /** Number of patches. */
  length: number;
  /** Width and height of patch `index`. */
  size: (index: number) => { width: number; height: number };
  /**
   * The pixels of patch `index`, read at once. With `into`, an earlier result for a patch of the same size, its arrays
   * are filled anew and returned.
   */
  read: (index: number, into?: PatchPixels) => PatchPixels;
  /**
   * Reads batches of patches ahead of their use, `depth` batches (default 2); they come in order. A batch's arrays are
   * filled anew once the next batch is asked for.
   *
   * @param allocate gives memory for so many bytes of a patch, an even address; default: on the heap
   */
  readAhead: (
    batches: Iterable<readonly number[]>,
    depth?: number,
    allocate?: (bytes: number) => Uint8Array,
  ) => AsyncGenerator<PatchPixels[]>;
  close: () => Promise<void>;
}

const recordBytes = (bands: number, width: number, height: number): number =>
  (4 * bands + 1) * width * height;

/** Is this the index of packed pixels, with every patch within the file? */
const isIndex = (value: unknown, end: number): value is PackedIndex => {
  const { bands, ids, skipped, records } = (value ?? {}) as Partial<Record<keyof PackedIndex, unknown>>;
  const isWhole = (number: unknown): number is number => Number.isSafeInteger(number) && Number(number) >= 0;
  const isRecord = (record: unknown): boolean =>
    Array.isArray(record) &&
    record.length === 4 &&
    record.every(isWhole) &&
    record[0] + recordBytes(Number(bands), record[1], record[2]) <= end;
  const isText = (id: unknown): boolean => typeof id === 'string';
  return (
    isWhole(bands) &&
    Array.isArray(ids) &&
    ids.every(isText) &&
    Array.isArray(skipped) &&
    skipped.every(isText) &&
    Array.isArray(records) &&
    records.length === ids.length &&
    records.every(isRecord)
  );
};

const onHeap = (bytes: number): Uint8Array => new Uint8Array(bytes);

/** Source, target and mask of a patch over its bytes: int16 [bands, height, width] twice, uint8 [height, width]. */
const over = (
  { buffer, byteOffset }: Uint8Array,
  bands: number,
  width: number,
  height: number,
): PatchPixels => {
  const size = width * height;
  return {
    width,
    height,
    bands,
    source: new Int16Array(buffer, byteOffset, bands * size),
    target: new Int16Array(buffer, byteOffset + 2 * bands * size, bands * size),
    mask: new Uint8Array(buffer, byteOffset + 4 * bands * size, size),
  };
};

/** A patch's pixels as they are stored. */
export const packPixels = ({ bands, width, height, source, target, mask }: PatchPixels): ArrayBuffer => {
  const buffer = new ArrayBuffer(recordBytes(bands, width, height));
  const packed = over(new Uint8Array(buffer), bands, width, height);
  packed.source.set(source);
  packed.target.set(target);
  packed.mask.set(mask);
  return buffer;
};

/**
 * Reads packed pixels from an open cache file. Each patch is checked against its checksum the first time that it is read.
 * @throws Fault where the index or, later, a patch is damaged; the file is removed then
 */
export const packedReader = ({
  path,
  file,
  index,
  end,
}: CacheFile): PackedReader & { index: PackedIndex } => {
  if (!isIndex(index, end)) throw removeDamaged(path, 'its index');
  const { bands, ids, records } = index;
  const checked = new Uint8Array(records.length);
  const check = (at: number, bytes: Uint8Array): void => {
    if (checked[at] === 1) return;
    if (crc32(bytes) !== records[at][3]) throw removeDamaged(path, `patch ${ids[at]}`);
    checked[at] = 1;
  };
  const damaged = (at: number, error: unknown) => removeDamaged(path, `patch ${ids[at]}: ${reason(error)}`);
  const record = (at: number): PackedRecord => {
    const found = records[at];
    if (!found) throw new RangeError(`patch ${at} of ${records.length}`);
    return found;
  };
  const bufferFor = (
    at: number,
    into?: PatchPixels,
    allocate = onHeap,
  ): { pixels: PatchPixels; bytes: Uint8Array; offset: number } => {
    const [offset, width, height] = record(at);
    const length = recordBytes(bands, width, height);
    if (into?.width === width && into.height === height) {
      const { buffer, byteOffset } = into.source;
      return { pixels: into, bytes: new Uint8Array(buffer, byteOffset, length), offset };
    }
    const bytes = allocate(length);
    return { pixels: over(bytes, bands, width, height), bytes, offset };
  };
  const read = (at: number, into?: PatchPixels): PatchPixels => {
    const { pixels, bytes, offset } = bufferFor(at, into);
    try {
      for (let done = 0; done < bytes.length; ) {
        const count = readSync(file.fd, bytes, done, bytes.length - done, offset + done);
        if (count === 0) throw new Error('it ends early');
        done += count;
      }
    } catch (error) {
      throw damaged(at, error);
    }
    check(at, bytes);
    return pixels;
  };
  const readLater = async (
    at: number,
    into: PatchPixels | undefined,
    allocate: typeof onHeap,
  ): Promise<PatchPixels> => {
    const { pixels, bytes, offset } = bufferFor(at, into, allocate);
    await readBytes(file, bytes, offset).catch((error: unknown) => {
      throw damaged(at, error);
    });
    check(at, bytes);
    return pixels;
  };
  async function* readAhead(
    batches: Iterable<readonly number[]>,
    depth = 2,
    allocate = onHeap,
  ): AsyncGenerator<PatchPixels[]> {
    const waiting: Promise<PatchPixels[]>[] = [];
    // patches that were used: their arrays serve the batches that follow
    let idle: PatchPixels[] = [];
    const start = (batch: readonly number[]): void => {
      const reading = Promise.all(
        batch.map((at) => {
          const [, width, height] = record(at);
          const found = idle.findIndex((one) => one.width === width && one.height === height);
          return readLater(at, found < 0 ? undefined : idle.splice(found, 1)[0], allocate);
        }),
      );
      // a failure is thrown when its turn comes, not before
      reading.catch(() => {});
      waiting.push(reading);
    };
    try {
      for (const batch of batches) {
        start(batch);
        if (waiting.length <= depth) continue;
        const ready = await (waiting.shift() as Promise<PatchPixels[]>);
        yield ready;
        // of patches of other sizes no more are kept than one batch has
        idle = ready.concat(idle).slice(0, 2 * ready.length);
      }
      for (const reading of waiting) yield await reading;
    } finally {
      // whoever stops early may close the file and use the memory for something else
      await Promise.allSettled(waiting);
    }
  }
  return {
    index,
    bands,
    length: records.length,
    size: (at) => {
      const [, width, height] = record(at);
      return { width, height };
    },
    read,
    readAhead,
    close: () => file.close(),
  };
};
