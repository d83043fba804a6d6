import { setTimeout as sleep } from 'node:timers/promises';
import { Fault, reason } from '../../fault.js';
import { ignoreProgress, type OnProgress } from '../../progress.js';
import { listRuns, type RunSummary } from '../directory/read.js';
import { MlflowError } from '../mlflow/error.js';
import { backoff } from '../mlflow/http.js';
import { type Destination, holdsOurs, isServerDown } from './destination.js';
import { type PassResult, passRun, type Sessions } from './pass.js';

/** What `track sync` did. */
export interface SyncResult {
  /** Runs in the store. */
  runs: number;
  /** Runs that have ended and of which all is now on the server. */
  complete: number;
  /** Runs that have not ended, or that another process is sending. */
  open: number;
  failed: { runId: string; name: string; why: string }[];
  /** Points and files that were sent now. */
  points: number;
  files: number;
  seconds: number;
}

/** Runs sent at a time: more make an SQLite server slower, fewer leave it idle. */
const abreast = 4;

/** Parents before children, else oldest first. */
export const parentsFirst = (runs: readonly RunSummary[]): RunSummary[][] => {
  const byId = new Map(runs.map((run) => [run.runId, run]));
  const depth = (run: RunSummary): number => {
    let steps = 0;
    const seen = new Set<string>();
    for (let at: RunSummary | undefined = run; at?.parent !== undefined && !seen.has(at.runId); steps++) {
      seen.add(at.runId);
      at = byId.get(at.parent);
    }
    return steps;
  };
  const levels: RunSummary[][] = [];
  for (const run of runs) {
    const level = depth(run);
    while (levels.length <= level) levels.push([]);
    levels[level].push(run);
  }
  return levels;
};

/**
 * Brings all runs of the directory store `store` to a server: parents first, original times kept. Repeating it sends only
 * what is missing. Runs that another process is sending are left to it.
 */
export const syncStore = async (
  destination: Destination,
  store: string,
  { signal, onProgress = ignoreProgress }: { signal?: AbortSignal; onProgress?: OnProgress } = {},
): Promise<SyncResult> => {
  const { client } = destination;
  const started = performance.now();
  const runs = await listRuns(store);
  const sessions: Sessions = new Map();
  const result: SyncResult = {
    runs: runs.length,
    complete: 0,
    open: 0,
    failed: [],
    points: 0,
    files: 0,
    seconds: 0,
  };
  let handled = 0;
  const report = (): void =>
    onProgress({
      stage: 'track sync',
      done: handled,
      total: runs.length,
      unit: 'runs',
      note: `${result.points} points, ${result.files} files`,
    });
  const onSent = (sent: { points: number; files: number }): void => {
    result.points += sent.points;
    result.files += sent.files;
    report();
  };
  const held = new Map<string, Promise<boolean>>();
  /** A new experiment is asked once whether it holds any run, instead of once for each of them. */
  const heldNone = async (experimentId: string): Promise<boolean> => {
    const asked = held.get(experimentId) ?? holdsOurs(destination, experimentId, signal);
    held.set(experimentId, asked);
    asked.catch(() => held.delete(experimentId));
    return !(await asked);
  };
  /** Calls that must not be repeated blindly are repeated here: by a pass that finds out first what the server has. */
  const persist = async (run: RunSummary): Promise<PassResult> => {
    for (let n = 1; ; n++) {
      const before = result.points + result.files;
      try {
        return await passRun(destination, run.folder, sessions, { signal, onSent, heldNone });
      } catch (error) {
        if (result.points + result.files > before) n = 1;
        if (!(error instanceof MlflowError) || !error.retryable || n > client.retry.times) throw error;
        await sleep(error.retryAfter ?? backoff(client, n), undefined, { signal }).catch(() => {});
        signal?.throwIfAborted();
      }
    }
  };
  const handle = async (run: RunSummary): Promise<void> => {
    try {
      const outcome = await persist(run);
      if (outcome === 'done') result.complete++;
      else result.open++;
    } catch (error) {
      signal?.throwIfAborted();
      if (isServerDown(error))
        throw new Fault(`track sync: ${reason(error)}; run it again, it goes on where it stopped`, 1, {
          cause: error,
        });
      result.failed.push({ runId: run.runId, name: run.name, why: reason(error) });
    }
    sessions.delete(run.folder);
    handled++;
    report();
  };
  for (const level of parentsFirst(runs)) {
    const queue = [...level];
    const worker = async (): Promise<void> => {
      for (let run = queue.shift(); run; run = queue.shift()) {
        signal?.throwIfAborted();
        await handle(run);
      }
    };
    await Promise.all(Array.from({ length: abreast }, worker));
  }
  result.seconds = (performance.now() - started) / 1000;
  return result;
};
