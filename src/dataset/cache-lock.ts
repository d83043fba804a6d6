import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { cacheFault, isAlive } from './cache-file.js';

/** A lock that was not renewed for this long belongs to nobody: its holder was killed or its host is gone. */
const staleMs = 60_000;
const renewMs = 5_000;
const pollMs = 200;

interface Holder {
  host: string;
  pid: number;
}

const holderOf = async (path: string): Promise<{ holder: Holder | null; age: number } | null> => {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    let holder: Holder | null = null;
    try {
      holder = JSON.parse(text) as Holder;
    } catch {
      // being written, or cut: its age decides
    }
    return { holder, age: Date.now() - mtimeMs };
  } catch {
    return null;
  }
};

const isStale = (found: { holder: Holder | null; age: number }): boolean =>
  found.age > staleMs ||
  (found.holder !== null && found.holder.host === hostname() && !isAlive(found.holder.pid));

/** Whether somebody holds the lock at `path`. */
export const isLocked = async (path: string): Promise<boolean> => {
  const found = await holderOf(path);
  return found !== null && !isStale(found);
};

/** Takes the lock, or tells that somebody has it. */
const take = async (path: string): Promise<boolean> => {
  try {
    const file = await open(path, 'wx');
    try {
      await file.writeFile(JSON.stringify({ host: hostname(), pid: process.pid } satisfies Holder));
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
};

/**
 * Runs `work` while holding the lock of a cache folder, so that of several processes that need a cache one builds it and
 * the others wait. The lock saves work only: what is built is renamed into place whole, so even two builders at once (a lock
 * taken over from a holder that was only slow) do no harm.
 *
 * @param onWait called once when another process holds the lock; what it throws ends the wait
 */
export const withLock = async <T>(
  folder: string,
  work: () => Promise<T>,
  {
    name = 'lock',
    onWait,
    signal,
    fault = cacheFault,
  }: {
    /** Its file in the folder. */
    name?: string;
    onWait: () => void;
    signal?: AbortSignal;
    /** What is thrown for a lock that cannot be written. */
    fault?: (folder: string, error: unknown) => unknown;
  },
): Promise<T> => {
  const path = join(folder, name);
  let waited = false;
  try {
    while (!(await take(path))) {
      signal?.throwIfAborted();
      const found = await holderOf(path);
      if (found && isStale(found)) {
        await rm(path, { force: true });
        continue;
      }
      if (!waited) onWait();
      waited = true;
      await pause(pollMs);
    }
  } catch (error) {
    throw fault(folder, error);
  }
  const renewal = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, renewMs);
  renewal.unref();
  try {
    return await work();
  } finally {
    clearInterval(renewal);
    await rm(path, { force: true });
  }
};
