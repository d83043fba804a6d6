import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Fault, reason } from '../fault.js';

/**
 * A cache file: a 64-byte head (magic, version, where the index is), blocks of bytes at multiples of 64, and a JSON index at
 * the end that says what the blocks are. The head is written last and the file renamed into place, so a file that can be
 * opened is whole.
 */

const magic = 'BANDALGN';
const version = 1;
const headBytes = 64;
const alignment = 64;
/** A single read of Node takes less than 2 GiB. */
const largestPiece = 2 ** 30;

/** Whose name a temporary file bears: files of processes that are gone can be removed. */
const owner = (): string => `${hostname().replace(/[^\w-]/g, '_')}-${process.pid}`;

const dayMs = 86_400_000;

/** Is there a process of this number on this host? */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** Removes what killed processes left in a cache folder: theirs on this host, and any older than a day. */
export const removeLeftovers = async (folder: string): Promise<void> => {
  const [host] = owner().split(/-\d+$/);
  for (const name of await readdir(folder).catch(() => [])) {
    if (!name.endsWith('.tmp')) continue;
    const path = join(folder, name);
    const parts = /^\.(.*)-(\d+)-[0-9a-f]+\.tmp$/.exec(name);
    const gone = parts !== null && parts[1] === host && !isAlive(Number(parts[2]));
    const age = Date.now() - ((await stat(path).catch(() => null))?.mtimeMs ?? Date.now());
    if (gone || age > dayMs) await rm(path, { force: true });
  }
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

/** A cache file that is being written, under a temporary name. */
export interface CacheWriter {
  /** Writes a block; returns its offset. */
  append: (bytes: Uint8Array) => Promise<number>;
  /** Leaves room for a block of so many bytes, to be filled piece by piece by `write`; returns its offset. */
  reserve: (bytes: number) => number;
  /** Writes a piece of reserved room. */
  write: (bytes: Uint8Array, offset: number) => Promise<void>;
  /** Writes index and head, flushes, and renames the file to `path`. */
  finish: (path: string, index: unknown) => Promise<void>;
  /** Closes and removes the file; nothing happens after `finish`. */
  discard: () => Promise<void>;
}

/** The folder, made if need be. */
export const makeFolder = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw cacheFault(folder, error);
  });
};

/**
 * Begins a cache file in `folder`.
 * @param expected an estimate of its bytes, for the message about a full disk
 */
export const createCacheFile = async (
  folder: string,
  expected: () => number | undefined,
): Promise<CacheWriter> => {
  const temporary = join(folder, `.${owner()}-${randomBytes(6).toString('hex')}.tmp`);
  let file: FileHandle | undefined;
  let position = headBytes;
  const guard = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw cacheFault(folder, error, expected());
    }
  };
  const opened = await guard(() => open(temporary, 'wx'));
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
        const at = reserve(bytes.length);
        await write(bytes, at);
        return at;
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
        head.writeBigUInt64LE(BigInt(position), 16);
        head.writeBigUInt64LE(BigInt(text.length), 24);
        await opened.sync();
        await write(head, 0);
        await opened.sync();
        await opened.close();
        file = undefined;
        await rename(temporary, path).catch(async (error: unknown) => {
          await rm(temporary, { force: true });
          throw error;
        });
      }),
    discard: async () => {
      if (!file) return;
      await file.close().catch(() => {});
      file = undefined;
      await rm(temporary, { force: true });
    },
  };
};

/** A whole cache file, open for reading. */
export interface CacheFile {
  file: FileHandle;
  index: unknown;
}

/** Fills `into` from `position` on. */
export const readBlock = async (file: FileHandle, into: Uint8Array, position: number): Promise<void> => {
  for (let done = 0; done < into.length; ) {
    const length = Math.min(into.length - done, largestPiece);
    const { bytesRead } = await file.read(into, done, length, position + done);
    if (bytesRead === 0) throw new Error('it ends early');
    done += bytesRead;
  }
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
    await readBlock(file, head, 0);
    const [at, length] = [Number(head.readBigUInt64LE(16)), Number(head.readBigUInt64LE(24))];
    if (head.toString('latin1', 0, 8) !== magic || head.readUInt32LE(8) !== version) throw new Error('other');
    if (at + length !== size) throw new Error('cut');
    const text = Buffer.alloc(length);
    await readBlock(file, text, at);
    return { file, index: JSON.parse(text.toString()) as unknown };
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
