import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { openCacheFile } from '../../src/dataset/cache-file.js';
import { linesOf } from '../../src/fault.js';
import { digest } from '../../src/files.js';
import { readResult } from '../../src/training/result.js';
import { readSafetensors } from '../../src/training/safetensors.js';
import { type Failure, withFailure } from './file-layer.js';

/** BANDALIGN_TEST_ALL=1 tries every call. */
const everyCall = process.env['BANDALIGN_TEST_ALL'] === '1';

/** How long the failures of one kind of work may take, ms: every call takes longer than ten minutes. */
export const longest = everyCall ? 10_000_000 : 600_000;

const failures = ['ENOSPC', 'EIO', 'kill'] as const;

/** Calls that fail, of so many: `sample` of them, drawn with a fixed seed, or all. */
export const failingCalls = (name: string, failure: Failure, calls: number, sample = 8): number[] => {
  const every = Array.from({ length: calls }, (_, n) => n);
  return everyCall ? every : seededRandom(2022, `${name} ${failure}`).shuffled(every).slice(0, sample);
};

export const filesOf = async (at: string): Promise<string[]> =>
  (await readdir(at, { recursive: true, withFileTypes: true }).catch(() => []))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

/** Makes the owner of every lock and unfinished file one that is no more: what a killed process would leave. */
export const buryOwners = async (at: string): Promise<void> => {
  for (const path of await filesOf(at)) {
    // beyond the highest number that Linux gives
    const buried = path.replace(new RegExp(`\\.${process.pid}\\.(\\w{8})\\.tmp$`), '.4194305.$1.tmp');
    if (buried !== path) await rename(path, buried);
    if (/lock(\.after-\w+)?$/.test(path)) {
      const owner = JSON.parse(await readFile(path, 'utf8')) as object;
      await writeFile(path, JSON.stringify({ ...owner, began: '1' }));
    }
  }
};

/** Everything that work leaves but times and where it lies: path beneath `at` → digest. */
export const contentsOf = async (at: string): Promise<Record<string, string>> => {
  const contents: Record<string, string> = {};
  for (const path of await filesOf(at)) {
    const name = path.slice(at.length + 1);
    // what happened, and on which machine
    if (/(environment|inputs)\.json$|(events|system)\.jsonl$/.test(name)) continue;
    // of a process that could not remove it, or was killed: it holds nobody up
    if (/lock(\.\w+\.socket)?$/.test(name)) continue;
    const bytes = await readFile(path);
    const isText = /\.(jsonl?|html)$/.test(name);
    contents[name] = digest(
      isText
        ? bytes
            .toString()
            .replace(
              /"(seconds|finished|time|created|(?:end_|processing:)datetime|id|stepsPerSecond)": ?("[^"]*"|[\d.e+-]+)/g,
              '"$1":0',
            )
            .replaceAll(at, '')
        : bytes,
    );
  }
  return contents;
};

/** Whatever has its final name is whole. */
const checkWhole = async (at: string): Promise<void> => {
  for (const path of await filesOf(at)) {
    if (path.endsWith('.safetensors')) await readSafetensors(path);
    else if (path.endsWith('.bin')) {
      const opened = await openCacheFile(path);
      expect(opened, path).not.toBeNull();
      await opened?.file.close();
    } else if (path.endsWith('result.json')) {
      const result = await readResult(path);
      expect(result, path).not.toBeNull();
      if (result!.weights) expect(digest(await readFile(result!.weights.file))).toBe(result!.weights.digest);
    } else if (path.endsWith('.json')) JSON.parse(await readFile(path, 'utf8'));
  }
};

/** Work that is tried. */
export interface Work {
  /**
   * Does it in a folder, where an earlier call may have failed or done it. The first version is there when the second is
   * made, which takes its place.
   */
  make: (at: string, version: 1 | 2) => Promise<unknown>;
  /** Logs and the like, whose content may be neither the old nor the new while the work goes on. */
  grows?: RegExp;
}

/**
 * Tests that work, failing at any call that changes the disk, leaves each file as it was, as it is to be or not at all, and
 * says why; and that the next run ends with the same bytes as one that never failed.
 */
export const testWhole = (name: string, folder: () => string, { make, grows }: Work): void => {
  const fresh = async (): Promise<string> => {
    const at = join(folder(), 'work');
    await rm(at, { recursive: true, force: true });
    await mkdir(at);
    process.env['BANDALIGN_CACHE'] = join(at, 'cache');
    return at;
  };
  const whole = async (at: string, version: 1 | 2): Promise<{ calls: number }> => {
    const { error, calls } = await withFailure(at, Number.POSITIVE_INFINITY, 'EIO', () => make(at, version));
    if (error !== null) throw error;
    return { calls };
  };
  /** Does it once without a failure; each test starts from what the first version left. */
  const doOnce = async () => {
    const at = await fresh();
    await whole(at, 1);
    const old = await contentsOf(at);
    const first = join(folder(), name);
    const options = { recursive: true, preserveTimestamps: true };
    await cp(at, first, { ...options, filter: (path) => !path.endsWith('.socket') });
    const startAgain = async (): Promise<void> => cp(first, await fresh(), options);
    const { calls } = await whole(at, 2);
    return { at, old, calls, wanted: await contentsOf(at), startAgain };
  };
  let done: ReturnType<typeof doOnce> | undefined;
  test.each(failures)(
    `${name}: %s at any call leaves the old or the new, whole; the next run ends with the same bytes`,
    async (failure) => {
      done ??= doOnce();
      const { at, old, calls, wanted, startAgain } = await done;
      expect(calls).toBeGreaterThan(10);
      expect(wanted).not.toEqual(old);
      for (const n of failingCalls(name, failure, calls)) {
        await startAgain();
        const { error } = await withFailure(at, n, failure, () => make(at, 2));
        const where = `${failure} at call ${n} of ${calls}`;
        // a person can do something about a full disk: it is no fault of ours
        if (error !== null && failure !== 'kill')
          expect(linesOf(error).join('\n'), where).not.toContain('unexpected:');
        if (failure === 'kill') await buryOwners(at);
        await checkWhole(at);
        for (const [path, content] of Object.entries(await contentsOf(at)))
          if (!isUnfinished(path) && !grows?.test(path))
            expect([old[path], wanted[path]], `${where}: ${path}`).toContain(content);
        await whole(at, 2);
        expect(await contentsOf(at), where).toEqual(wanted);
      }
    },
    longest,
  );
};

/** What nobody takes for a file of the work. */
const isUnfinished = (path: string): boolean => /(^|\/)\.[^/]*\.tmp$|lock[^/]*\.tmp$|\.partial\//.test(path);
