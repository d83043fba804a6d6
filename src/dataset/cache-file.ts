import { rmSync } from 'node:fs';
import { type FileHandle, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { Fault, reason } from '../fault.js';
import { makeFolder, removeAtExit, renameDurably, temporaryName } from '../files.js';

/**
 * A cache file: a 64-byte head (magic, version, where the index is), blocks of bytes at multiples of 64, and a JSON index at
 * the end that says what the blocks are. The head is written last and the file renamed into place, so a file that can be
 * opened was written whole.
 *
 * Head, index and every block have a CRC-32 that is checked when they are read. It is meant for flipped bits and failing
 * disks, finds every change within 32 bits and all but one in 2³² of the others, and takes 0.4 ms for a megabyte.
 */

const magic = 'BANDALGN';
const version = 2;
const headBytes = 64;
/** What the head's own checksum covers. */
const checkedHeadBytes = 32;
const alignment = 64;
/** A single read of Node takes less than 2 GiB. */
const largestPiece = 2 ** 30;

/**
 * Removes what killed processes left in a cache folder. Only the holder of its lock writes there; another process that is
 * just renewing the list of inputs does that without it, and can do without.
 */
export const removeLeftovers = async (folder: string): Promise<void> => {
  for (const name of await readdir(folder).catch(() => []))
    if (/^\..*\.tmp$/.test(name)) await rm(join(folder, name), { force: true });
};

/** A Fault for a cache that cannot be written; `bytes` is what the whole file takes, where that is known. */
export const cacheFault = (folder: string, error: unknown, bytes?: number): unknown => {
  if (error instanceof Fault || !(error instanceof Error && 'syscall' in error)) return error;
  const code = (error as NodeJS.ErrnoException).code;
  const full = code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG';
  const size =
    bytes === undefined ? '' : `, the file takes ${bytes} bytes (${(bytes / 2 ** 30).toFixed(2)} GiB)`;
  return new Fault(
    full
      ? `cache: ${folder} is full${size}; free some space or set BANDALIGN_CACHE to another folder`
      : `cache: ${folder} cannot be written (${reason(error)}); set BANDALIGN_CACHE to another folder`,
    1,
    { cause: error },
  );
};

/** The folder of a cache, made if need be. */
export const makeCacheFolder = async (folder: string): Promise<void> => {
  await makeFolder(folder).catch((error: unknown) => {
    throw cacheFault(folder, error);
  });
};

/** A cache file that is being written, under a temporary name. */
export interface CacheWriter {
  /** Writes a block; returns its offset and its checksum. */
  append: (bytes: Uint8Array) => Promise<{ offset: number; checksum: number }>;
  /** Keeps space for a block of so many bytes, to be filled piece by piece by `write`; returns its offset. */
  reserve: (bytes: number) => number;
  /** Writes a piece of a reserved block. */
  write: (bytes: Uint8Array, offset: number) => Promise<void>;
  /** Writes index and head, flushes, and renames the file to `path`. */
  finish: (path: string, index: unknown) => Promise<void>;
  /** Closes and removes the file; nothing happens after `finish`. */
  discard: () => Promise<void>;
}

/**
 * Begins a cache file in `folder`.
 * @param expected an estimate of its bytes, for the message about a full disk
 */
export const createCacheFile = async (
  folder: string,
  expected: () => number | undefined,
): Promise<CacheWriter> => {
  const temporary = temporaryName(join(folder, 'cache'));
  const keep = removeAtExit(temporary);
  let file: FileHandle | undefined;
  let position = headBytes;
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw cacheFault(folder, error, expected());
    }
  };
  const opened = await guard(() => open(temporary, 'wx')).catch((error: unknown) => {
    keep();
    throw error;
  });
  file = opened;
  const write = async (bytes: Uint8Array, at: number): Promise<void> => {
    for (let done = 0; done < bytes.length; ) {
      const length = Math.min(bytes.length - done, largestPiece);
      done += (await opened.write(bytes, done, length, at + done)).bytesWritten;
    }
  };
  const reserve = (bytes: number): number => {
    const at = position;
    position = at + Math.ceil(bytes / alignment) * alignment;
    return at;
  };
  return {
    append: (bytes) =>
      guard(async () => {
        const offset = reserve(bytes.length);
        await write(bytes, offset);
        return { offset, checksum: crc32(bytes) };
      }),
    reserve,
    write: (bytes, offset) => guard(() => write(bytes, offset)),
    finish: (path, index) =>
      guard(async () => {
        const text = Buffer.from(JSON.stringify(index));
        await write(text, position);
        const head = Buffer.alloc(headBytes);
        head.write(magic, 'latin1');
        head.writeUInt32LE(version, 8);
        head.writeUInt32LE(crc32(text), 12);
        head.writeBigUInt64LE(BigInt(position), 16);
        head.writeBigUInt64LE(BigInt(text.length), 24);
        head.writeUInt32LE(crc32(head.subarray(0, checkedHeadBytes)), checkedHeadBytes);
        await opened.sync();
        await write(head, 0);
        await opened.sync();
        await opened.close();
        file = undefined;
        await renameDurably(temporary, path).catch(async (error: unknown) => {
          await rm(temporary, { force: true }).catch(() => {});
          throw error;
        });
        keep();
      }),
    discard: async () => {
      if (!file) return;
      await file.close().catch(() => {});
      file = undefined;
      await rm(temporary, { force: true }).catch(() => {});
      keep();
    },
  };
};

/** A whole cache file, open for reading. */
export interface CacheFile {
  path: string;
  file: FileHandle;
  index: unknown;
  /** Where the blocks end. */
  end: number;
}

/** Fills `into` from `position` on. */
export const readBytes = async (file: FileHandle, into: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < into.length; ) {
    const length = Math.min(into.length - done, largestPiece);
    const { bytesRead } = await file.read(into, done, length, position + done);
    if (bytesRead === 0) throw new Error('it ends early');
    done += bytesRead;
  }
};

/** Removes a cache file in which damage was found, so that the next run builds it anew; says so. */
export const removeDamaged = (path: string, what: string): Fault => {
  let removed = 'it was removed';
  try {
    rmSync(path, { force: true });
  } catch (error) {
    removed = `remove it (${reason(error)})`;
  }
  return new Fault(`cache: ${path}; is damaged (${what}): ${removed}, run again and it is built anew`, 1);
};

/** Opens a cache file; null where there is none, or none of this version, or it is damaged: then it is to be built. */
export const openCacheFile = async (path: string): Promise<CacheFile | null> => {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new Fault(
      `cache: ${path} cannot be read (${reason(error)}); mend it or set BANDALIGN_CACHE to another folder`,
      1,
    );
  });
  if (!file) return null;
  try {
    const { size } = await file.stat();
    const head = Buffer.alloc(headBytes);
    if (size < headBytes) throw new Error('cut');
    await readBytes(file, head, 0);
    if (head.toString('latin1', 0, 8) !== magic || head.readUInt32LE(8) !== version) throw new Error('other');
    if (head.readUInt32LE(checkedHeadBytes) !== crc32(head.subarray(0, checkedHeadBytes)))
      throw new Error('damaged');
    const [end, length] = [Number(head.readBigUInt64LE(16)), Number(head.readBigUInt64LE(24))];
    if (end + length !== size) throw new Error('cut');
    const text = Buffer.alloc(length);
    await readBytes(file, text, end);
    if (head.readUInt32LE(12) !== crc32(text)) throw new Error('damaged');
    return { path, file, index: JSON.parse(text.toString()) as unknown, end };
  } catch {
    await file.close();
    return null;
  }
};

/** Removes finished cache files of older contents; a process that has one open keeps it until it closes. */
export const removeOtherContents = async (folder: string, digest: string): Promise<void> => {
  for (const name of await readdir(folder).catch(() => []))
    if (name.endsWith('.bin') && !name.endsWith(`-${digest}.bin`))
      await rm(join(folder, name), { force: true });
};

/** Where caches lie: $BANDALIGN_CACHE, else `.bandalign/cache` under the working directory. */
export const cacheRoot = (): string => {
  const wish = process.env['BANDALIGN_CACHE'];
  return wish === undefined || wish === '' ? join(process.cwd(), '.bandalign', 'cache') : wish;
};
