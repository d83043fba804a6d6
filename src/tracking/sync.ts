import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, reason } from '../fault.js';
import { ignoreProgress, type OnProgress } from '../progress.js';
import { isServerDown } from './http.js';
import { type Destination, noteReceipts, sendRun } from './send.js';
import { findSources, readSource } from './source.js';

/** What {@link syncFolders} did. */
export interface SyncResult {
  /** Runs and sweeps in the folders. */
  runs: number;
  /** Ended, and all of it on the server now. */
  complete: number;
  /** Going on. */
  running: number;
  /** Deleted on the server, where they stay so. */
  deleted: string[];
  failed: { folder: string; reason: string }[];
  /** What was sent now. */
  points: number;
  files: number;
  seconds: number;
}

/** Runs sent at a time: more make an SQLite server slower, fewer leave it idle. */
const concurrency = 4;

/** How folders are synchronised. */
export interface SyncOptions {
  onProgress?: OnProgress;
  /** Times of change of folders that are on the server: passed again, those that have not changed are left out. */
  seen?: Map<string, number>;
  /** As that of `sendRun`. */
  retries?: number;
}

/**
 * Brings every run and sweep at or under `root` to a server, original times kept. Repeating it sends only what is
 * missing; runs that go on are sent as far as they are.
 *
 * @throws Fault for a folder that holds no run (exit 2), and for a server that is away or is no MLflow (1)
 */
export const syncFolders = async (
  root: string,
  destination: Destination,
  { onProgress = ignoreProgress, seen, retries }: SyncOptions = {},
): Promise<SyncResult> => {
  const started = performance.now();
  const { signal, sent } = destination;
  const before = { ...sent };
  const { runs, sweeps } = await findSources(root);
  const total = runs.length + sweeps.length;
  if (total === 0 && !seen)
    throw new Fault(`folder: ${root}; there is no run in it, give a folder of runs, a sweep or a run`);
  const counts = { complete: 0, running: 0, points: 0, files: 0, seconds: 0 };
  const result: SyncResult = { runs: total, ...counts, deleted: [], failed: [] };
  let [handled, isNews] = [0, false];
  const handle = async (folder: string): Promise<void> => {
    const changed = await stat(folder).then(
      ({ mtimeMs }) => mtimeMs,
      () => Number.NaN,
    );
    if (seen?.get(folder) === changed) {
      result.complete++;
      return;
    }
    try {
      const source = await readSource(folder);
      if (!source) return;
      const outcome = await sendRun(destination, source, retries);
      if (outcome === 'deleted') result.deleted.push(source.name);
      else if (outcome !== 'open') result.complete++;
      else if (source.status === 'RUNNING') result.running++;
      else result.failed.push({ folder, reason: 'the server does not take all of it' });
      if (outcome === 'open') return;
      seen?.set(folder, changed);
      isNews ||= outcome === 'complete';
    } catch (error) {
      signal.throwIfAborted();
      if (isServerDown(error)) throw new Fault(reason(error), 1, { cause: error });
      result.failed.push({ folder, reason: reason(error) });
    }
  };
  const all = async (folders: string[]): Promise<void> => {
    const worker = async (): Promise<void> => {
      for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
        signal.throwIfAborted();
        await handle(folder);
        handled++;
        const note = `${sent.points - before.points} points, ${sent.files - before.files} files`;
        onProgress({ stage: 'track sync', done: handled, total, unit: 'runs', note });
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
  };
  // the run of a trial lies under that of its sweep
  await all(sweeps);
  await all(runs);
  await noteReceipts(destination);
  // a run that has ended may be the measure of the gap that others closed
  if (isNews) seen?.clear();
  result.points = sent.points - before.points;
  result.files = sent.files - before.files;
  result.seconds = (performance.now() - started) / 1000;
  return result;
};

/** Follows a folder. */
export interface Following {
  /** Sends what is left, as long as something arrives and a bounded time otherwise; never rejects. */
  end(): Promise<void>;
  /** Ends without sending what is left. */
  stop(): Promise<void>;
}

/** How a folder is followed. */
export interface FollowOptions {
  /** Milliseconds between looks at the folder, at least: a pass is followed by ten times its own time. */
  every?: number;
  /** Seconds without success after which the end waits no longer; default `BANDALIGN_TRACKING_PATIENCE`, else 15. */
  patience?: number;
  /** As {@link SyncOptions.seen}. */
  seen?: Map<string, number>;
}

/**
 * Sends the run, sweep or runs in `root` to a server while they grow. Never throws into the work nor makes it wait: what
 * goes wrong is said by the destination's `note`, once, and once when it is over. Nothing is lost by an outage or a
 * kill: the folder is the record.
 */
export const follow = (root: string, destination: Destination, options: FollowOptions = {}): Following => {
  const { every = 2000, seen = new Map<string, number>() } = options;
  const patience = options.patience ?? Number(process.env['BANDALIGN_TRACKING_PATIENCE'] || 15);
  const { client, note, signal, abort } = destination;
  let failures = 0;
  let isEnding = false;
  let deadline = Number.POSITIVE_INFINITY;
  destination.onMove = (bytes) => {
    // a large file is allowed a megabyte a second
    if (isEnding) deadline = performance.now() + 1000 * patience + bytes / 1000;
  };
  /** True: the server has all that will come. */
  const pass = async (): Promise<boolean> => {
    try {
      const result = await syncFolders(root, destination, { seen, retries: 0 });
      for (const { folder, reason } of result.failed) note(`tracking: ${folder}: not sent; ${reason}`);
      for (const name of result.deleted)
        note(`tracking: ${name} was deleted on ${client.address}, and stays so`);
      if (failures > 0) note(`tracking: ${client.address} answers again`);
      failures = 0;
      return result.runs > 0 && result.running + result.failed.length === 0;
    } catch (error) {
      if (!signal.aborted && ++failures === 1)
        note(`tracking: ${reason(error)}; the work goes on, and is sent later`);
      return false;
    }
  };
  const stop = new AbortController();
  const loop = async (): Promise<void> => {
    while (!isEnding) {
      const before = performance.now();
      await pass();
      // while the server is away the pauses grow
      const pause = Math.max(every * 2 ** Math.min(failures, 4), 10 * (performance.now() - before));
      await sleep(Math.min(pause, 30_000), undefined, { signal: stop.signal, ref: false }).catch(() => {});
    }
  };
  const looping = loop();
  return {
    stop: () => {
      isEnding = true;
      abort();
      stop.abort();
      return looping;
    },
    end: async () => {
      isEnding = true;
      destination.onMove(0);
      stop.abort();
      const watch = setInterval(() => performance.now() > deadline && abort(), 100);
      try {
        await looping;
        for (let pause = 100; !(await pass()); pause = Math.min(2 * pause, 2000)) {
          if (signal.aborted || performance.now() + pause > deadline) {
            note(
              `tracking: ${root} is not all on ${client.address}; send the rest by \`bandalign track sync ${root} --to ${client.address}\``,
            );
            return;
          }
          await sleep(pause);
        }
      } finally {
        clearInterval(watch);
      }
    },
  };
};
