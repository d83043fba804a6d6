import { createHash, randomBytes } from 'node:crypto';
import { createReadStream, rmSync } from 'node:fs';
import { access, copyFile, type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';

/** Is there anything at `path`? */
export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Is there a process of this number in this process's namespace? */
export const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** After this, what a process of another machine was writing is taken for abandoned, ms. */
const staleAfter = 7 * 24 * 3600 * 1000;
const host = (): string =>
  hostname()
    .replace(/[^A-Za-z0-9-]/g, '-')
    .slice(0, 60);
/** How the name of a file begins while `path` is written. */
const temporaryStart = (path: string): string => `.${basename(path).slice(0, 60)}.`;

/** `.NAME.HOST.PID.RANDOM.tmp` beside `path`: no reader takes it for a finished file, and a later run sees whose it is. */
export const temporaryName = (path: string): string =>
  join(
    dirname(path),
    `${temporaryStart(path)}${host()}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`,
  );

/** Is this the name of a file that was being written? */
export const isTemporary = (name: string): boolean => /^\..*\.tmp$/.test(name);

/**
 * Removes what killed processes left beside `path` under {@link temporaryName}: those of this host that live no more, and
 * of other hosts after a week.
 */
export const removeAbandoned = async (path: string): Promise<void> => {
  const start = temporaryStart(path);
  for (const name of await readdir(dirname(path)).catch(() => [])) {
    const owner = name.startsWith(start) && /^(.+)\.(\d+)\.[0-9a-f]{8}\.tmp$/.exec(name.slice(start.length));
    if (!owner) continue;
    const file = join(dirname(path), name);
    const isAbandoned =
      owner[1] === host()
        ? !isAlive(Number(owner[2]))
        : await stat(file).then(
            ({ mtimeMs }) => Date.now() - mtimeMs > staleAfter,
            () => false,
          );
    if (isAbandoned) await rm(file, { force: true });
  }
};

/** Bytes of a safe name; file systems take 255, so that a suffix fits. */
const longestName = 150;
/** Names of devices on Windows, with any extension. */
const deviceName = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/**
 * A name taken from data (a cell, a tag, a MIME type, an item of a catalog) as the name of one file: letters, digits,
 * `.`, `_` and `-` stay, runs of anything else become `-`; no leading dot or dash, no device of Windows, at most 150
 * bytes. Different texts may give one name: where that matters, the caller numbers them.
 *
 * @param fallback the name where nothing is left of `text`
 */
export const safeName = (text: string, fallback: string): string => {
  const whole = text
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N}._-]+/gu, '-')
    .replace(/^[-.]+/, '')
    .replace(deviceName, '_$&');
  let name = '';
  for (const character of whole) {
    if (Buffer.byteLength(name + character) > longestName) break;
    name += character;
  }
  return name.replace(/[-.]+$/, '') || fallback;
};

/**
 * Creates a folder and those above it. Node's own recursive form never returns where the file system lets nobody make
 * one (below /proc); this throws the system's error.
 */
export const makeFolder = async (path: string): Promise<void> => {
  const isFolder = (): Promise<boolean> =>
    stat(path).then(
      (status) => status.isDirectory(),
      () => false,
    );
  if (await isFolder()) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path).catch(async (error: unknown) => {
    // another process may have made it meanwhile
    if (await isFolder()) return;
    // a file stands there: "not a directory" says more than "exists"
    const more = await stat(`${path}/`).catch((why: NodeJS.ErrnoException) => why);
    throw more instanceof Error && more.code === 'ENOTDIR' ? more : error;
  });
};

/** Flushes a folder's entries, so that a rename in it survives a power cut. Some file systems cannot: their loss. */
const syncFolder = async (folder: string): Promise<void> => {
  const handle = await open(folder).catch(() => null);
  await handle?.sync().catch(() => {});
  await handle?.close();
};

/** Renames a file that is flushed already, and flushes the folder. */
export const renameDurably = async (from: string, to: string): Promise<void> => {
  await rename(from, to);
  await syncFolder(dirname(to));
};

const passing = new Set<string>();
let isWatchingExit = false;

/** Removes `path`, a file or a folder, when this process (or thread) exits before the function that is returned is called. */
export const removeAtExit = (path: string): (() => void) => {
  if (!isWatchingExit)
    process.once('exit', () => {
      for (const left of passing)
        try {
          rmSync(left, { recursive: true, force: true });
        } catch {
          // the next run finds it
        }
    });
  isWatchingExit = true;
  passing.add(path);
  return () => void passing.delete(path);
};

/** Makes a file whole or not at all: `write` fills a temporary one, which is flushed and renamed to `path`. */
const writeWhole = async (path: string, write: (temporary: string) => Promise<FileHandle>): Promise<void> => {
  const temporary = temporaryName(path);
  const keep = removeAtExit(temporary);
  try {
    await removeAbandoned(path);
    const file = await write(temporary);
    await file.sync().finally(() => file.close());
    await renameDurably(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  } finally {
    keep();
  }
};

/** Characters that are written together. */
const pieceLength = 65_536;

/** Writes pieces, each where the one before it ended. */
const writePieces = async (
  file: FileHandle,
  pieces: Iterable<string> | AsyncIterable<string>,
): Promise<void> => {
  let waiting = '';
  for await (const piece of pieces) {
    waiting += piece;
    if (waiting.length < pieceLength) continue;
    await file.writeFile(waiting);
    waiting = '';
  }
  await file.writeFile(waiting);
};

/**
 * Writes a file, whole or piece by piece, so that a reader, also one after a power cut, sees the old content or the new, never a part. Creates the
 * folder. On failure the temporary file is removed and `path` is untouched.
 */
export const writeAtomic = async (
  path: string,
  data: string | Uint8Array | Iterable<string> | AsyncIterable<string>,
): Promise<void> => {
  await makeFolder(dirname(path));
  await writeWhole(path, async (temporary) => {
    const file = await open(temporary, 'wx');
    try {
      if (typeof data === 'string' || data instanceof Uint8Array) await file.writeFile(data);
      else await writePieces(file, data);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  });
};

/** Gives a file a second name, there whole or not at all; a file of that name is replaced. */
export const copyAtomic = (from: string, to: string): Promise<void> =>
  writeWhole(to, async (temporary) => {
    await copyFile(from, temporary);
    return open(temporary, 'r+');
  });

/** JSON with two-space indents and a final newline, written by {@link writeAtomic}. */
export const writeJson = (path: string, value: unknown): Promise<void> =>
  writeAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

/** Flushes what was appended to a log, so that it survives a power cut; nothing where there is no such file. */
export const flush = async (path: string): Promise<void> => {
  const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  await file?.sync().finally(() => file.close());
};

/** Cuts a log of lines back to its last whole line: a process was killed, or the disk full, within the one after it. */
export const cutTornLine = async (path: string): Promise<void> => {
  const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (!file) return;
  try {
    const { size } = await file.stat();
    const piece = Buffer.alloc(Math.min(size, 65536));
    // back to front: a torn line is short, the log may be long
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - piece.length);
      const { bytesRead } = await file.read(piece, 0, end - start, start);
      const last = piece.subarray(0, bytesRead).lastIndexOf(0x0a);
      if (last >= 0 || start === 0) {
        const whole = start + last + 1;
        if (whole < size) await file.truncate(whole);
        return;
      }
      end = start;
    }
  } finally {
    await file.close();
  }
};

/** SHA-256 of a file's bytes, hexadecimal. */
export const fileDigest = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
};

/** SHA-256 of a text or bytes, hexadecimal. */
export const digest = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
