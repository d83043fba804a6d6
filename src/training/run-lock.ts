import { mkdir, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Fault } from '../fault.js';
import { withLock } from '../lock.js';
import { diskFault } from './disk-fault.js';
import type { RunFolder } from './run-folder.js';

/** Removes the folders from `last` up to `first` that are empty. */
const removeEmpty = async (last: string, first: string): Promise<void> => {
  for (let folder = last; folder.startsWith(first); folder = dirname(folder))
    try {
      await rmdir(folder);
    } catch {
      return;
    }
};

/**
 * Keeps all others out of a run: two that write one folder would mix their checkpoints. The lock lies beside the folder
 * (which `--overwrite` removes); nothing is left of it, nor of folders that were made for it alone.
 *
 * @throws Fault where another process, or another call in this one, is writing the run
 */
export const withRunLock = async <T>(
  folder: Pick<RunFolder, 'folder' | 'tag'>,
  work: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> => {
  const parent = dirname(folder.folder);
  const made = await mkdir(parent, { recursive: true }).catch((error: unknown) => {
    throw diskFault(error, folder);
  });
  try {
    return await withLock(join(parent, `.${basename(folder.folder)}.lock`), work, {
      onHeld: (owner) => {
        throw new Fault(
          `tag: ${folder.tag}; another process is writing this run (${owner}); wait for it, stop it, or choose another --tag`,
        );
      },
      signal,
      fault: (error) => diskFault(error, folder),
    });
  } finally {
    if (made !== undefined) await removeEmpty(parent, made);
  }
};
