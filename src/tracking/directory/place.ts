import { closeSync, constants, fstatSync, ftruncateSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { copyFile, mkdir, open, readdir, rename, rm, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { temporaryName } from '../../files.js';

const isMissing = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** Makes the folders of `path` under `run`, but not `run` itself: one that was removed must not come back as a torso. */
const makeFolders = async (run: string, path: string): Promise<void> => {
  const parts = dirname(path).split(/[\\/]/);
  for (let depth = 1; depth <= parts.length; depth++) {
    const folder = join(run, ...parts.slice(0, depth));
    if (folder === join(run, '.')) continue;
    await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
};

/** Makes a file in the run's own folder, whose plain files MLflow does not read, and renames it to `run/path`. */
const stage = async (
  run: string,
  path: string,
  make: (temporary: string) => Promise<void>,
): Promise<void> => {
  await makeFolders(run, path);
  const target = join(run, path);
  const temporary = temporaryName(join(run, 'x'));
  try {
    await make(temporary);
    await rename(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
};

/**
 * Puts a whole file at `run/path` at once. (A temporary file in `metrics/` would be a metric to MLflow if this process
 * died before the rename; hence not `writeAtomic`.)
 */
export const place = (run: string, path: string, data: string | Uint8Array): Promise<void> =>
  stage(run, path, async (temporary) => {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(data);
    } finally {
      await file.close();
    }
  });

/** Copies a file to `run/path` in the same way; a clone where the file system can. */
export const placeCopy = (run: string, path: string, source: string): Promise<void> =>
  stage(run, path, (temporary) => copyFile(source, temporary, constants.COPYFILE_FICLONE));

/** Removes what a killed process had not yet renamed. */
export const removeTemporaries = async (run: string): Promise<void> => {
  for (const name of await readdir(run))
    if (/^\.[0-9a-f]{12}\.tmp$/.test(name)) await rm(join(run, name), { force: true });
};

/**
 * Writes whole lines at `size`, where the last whole line of `run/path` ends, and returns where they end. A new file
 * appears with its first lines (MLflow cannot read an empty metric); when the disk takes only a part, the file is cut
 * back.
 */
export const appendLines = async (
  run: string,
  path: string,
  lines: string,
  size: number,
): Promise<number> => {
  const bytes = Buffer.from(lines);
  if (size === 0) {
    await place(run, path, bytes);
    return bytes.length;
  }
  const file = await open(join(run, path), 'r+');
  try {
    for (let at = 0; at < bytes.length; )
      at += (await file.write(bytes, at, bytes.length - at, size + at)).bytesWritten;
  } catch (error) {
    await file.truncate(size).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
  return size + bytes.length;
};

/** {@link appendLines} for the exit of the process, when nothing asynchronous runs any more. */
export const appendLinesSync = (path: string, lines: string, size: number): void => {
  mkdirSync(dirname(path), { recursive: true });
  const file = openSync(path, constants.O_RDWR | constants.O_CREAT);
  try {
    if (fstatSync(file).size > size) ftruncateSync(file, size);
    writeSync(file, lines, size);
  } finally {
    closeSync(file);
  }
};

// time, value, step; MLflow's own writer has forms with 2 and 5 fields too
const lineForm = /^-?\d+ [-+.\w]+(?: -?\d+)?(?: \S+){0,2}$/;

/**
 * Cuts what a kill or a power cut left behind the last whole line of a metric file, and removes a file without one.
 * Returns the whole lines and how many bytes were cut.
 */
export const cutTornLine = async (path: string): Promise<{ lines: string[]; size: number; cut: number }> => {
  const file = await open(path, 'r');
  let content: Buffer;
  try {
    content = await file.readFile();
  } finally {
    await file.close();
  }
  let keep = content.lastIndexOf(0x0a) + 1;
  // after a power cut the tail can be zeros or old bytes: step back over lines that are none
  while (keep > 0) {
    const start = keep < 2 ? 0 : content.lastIndexOf(0x0a, keep - 2) + 1;
    if (lineForm.test(content.toString('utf8', start, keep - 1))) break;
    keep = start;
  }
  if (keep === 0) await rm(path);
  else if (keep < content.length) await truncate(path, keep);
  const lines = keep === 0 ? [] : content.toString('utf8', 0, keep - 1).split('\n');
  return { lines, size: keep, cut: content.length - keep };
};

/** Forces files to the disk; one that has gone is passed over. */
export const syncFiles = async (paths: Iterable<string>): Promise<void> => {
  for (const path of paths) {
    try {
      const file = await open(path, 'r');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    } catch (error) {
      // a folder cannot be opened on Windows, and some file systems know no fsync
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (!isMissing(error) && !['EISDIR', 'EPERM', 'EINVAL', 'ENOTSUP'].includes(code)) throw error;
    }
  }
};
