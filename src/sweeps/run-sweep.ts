import { mkdir, readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { SlurmSettings, SweepInput } from '../experiments/sweep.js';
import { checkSweep } from '../experiments/sweep.js';
import { Fault, reason } from '../fault.js';
import { cutTornLine } from '../files.js';
import { isOfLock, withLock } from '../lock.js';
import { modelOf } from '../models/index.js';
import { processors } from '../processors.js';
import { ignoreProgress, type OnProgress } from '../progress.js';
import type { Destination } from '../tracking/send.js';
import { type Following, follow as followFolder } from '../tracking/sync.js';
import type { FinishedRun } from '../training/list-runs.js';
import { finishedRuns } from '../training/list-runs.js';
import type { ExecutorName } from './executor.js';
import { executorOf } from './executor-of.js';
import { expandSweep, type Trial } from './expand.js';
import { follow } from './follow.js';
import {
  fingerprint,
  inspectSweep,
  type Manifest,
  type SweepFolder,
  sweepFolder,
  writeManifest,
} from './manifest.js';
import { packFor } from './pack-for.js';
import { isDone, trialJob } from './trial-job.js';

/** What a sweep is run with. */
export interface SweepOptions {
  sweep: SweepInput;
  /** The dataset's folder. */
  root: string;
  divide?: string;
  /** Folder of runs; the sweep makes `<outputDir>/<name>` in it. Default `outputs`. */
  outputDir?: string;
  /** `--set` words over the base. */
  words?: readonly string[];
  /** Instead of the sweep's own. */
  seeds?: readonly number[];
  /** Processes at the same time; default: the cores. */
  jobs?: number;
  executor?: ExecutorName;
  slurm?: SlurmSettings;
  resume?: boolean;
  overwrite?: boolean;
  /** Stop everything at the first failure. */
  failFast?: boolean;
  /** Server that gets a copy of the sweep and its trials; null or absent: none. */
  destination?: Destination | null;
  onProgress?: OnProgress;
  onNote?: (text: string) => void;
  signal?: AbortSignal;
}

/** What came of a sweep. */
export interface SweepResult {
  name: string;
  folder: string;
  manifest: Manifest;
  /** In the order of the manifest. */
  runs: FinishedRun[];
  failed: { tag: string; reasons: readonly string[] }[];
  /** Tags of trials that were not run to their end: stopped, or after a failure under `failFast`. */
  unfinished: string[];
}

const filterAsync = async <T>(items: readonly T[], holds: (item: T) => Promise<boolean>): Promise<T[]> => {
  const kept = await Promise.all(items.map(holds));
  return items.filter((_, i) => kept[i]);
};

const sweepFault = (folder: string, error: unknown): unknown =>
  error instanceof Fault
    ? error
    : new Fault(`sweep: ${folder}; cannot be written (${reason(error)}); choose another --output-dir`, 1, {
        cause: error,
      });

/** Removes what an earlier sweep left; the lock is this process's own. */
const clear = async (folder: string): Promise<void> => {
  for (const name of await readdir(folder))
    if (!isOfLock(name, 'lock')) await rm(join(folder, name), { recursive: true, force: true });
};

/** Freezes the configuration, or takes up what was frozen before. */
const submit = async (options: SweepOptions, place: SweepFolder): Promise<Manifest> => {
  const { sweep, root, divide, overwrite, onProgress = ignoreProgress, onNote = () => {} } = options;
  const trials = await expandSweep(sweep, options.words, options.seeds);
  const stored = await inspectSweep(place, trials, options);
  const digests = await packFor(trials, root, { divide, onProgress, onNote, signal: options.signal });
  if (stored) {
    const changed = Object.keys(digests).filter(
      (key) => (stored.data.digests[key] ?? digests[key]) !== digests[key],
    );
    if (changed.length > 0)
      throw new Fault(
        `--resume: ${sweep.name} was submitted with other data (${stored.data.root}, digest ${stored.data.digests[changed[0]].slice(0, 12)}, now ${digests[changed[0]].slice(0, 12)}); restore it, or --overwrite`,
      );
  } else if (overwrite) await clear(place.folder);
  const row = trials.find(({ row, label }) => row === sweep.baseline || label === sweep.baseline)?.row;
  const manifest: Manifest = {
    format: 1,
    name: sweep.name,
    description: sweep.description ?? '',
    fingerprint: fingerprint(trials),
    created: stored?.created ?? new Date().toISOString(),
    data: { root: resolve(root), divide: divide === undefined ? null : resolve(divide), digests },
    baseline: row ?? null,
    trials,
  };
  await writeManifest(place.manifest, manifest);
  return manifest;
};

/** Closed forms, then seed by seed: whatever is finished when a sweep is stopped compares as many of its rows as it can. */
const inTurn = (trials: readonly Trial[]): Trial[] => {
  const turn = ({ experiment }: Trial): number => (modelOf(experiment).network ? experiment.seed : -1);
  return trials.toSorted((a, b) => turn(a) - turn(b));
};

/** Runs what is not finished. `onFolder` is called when the manifest is written. */
const execute = async (
  options: SweepOptions,
  place: SweepFolder,
  onFolder: () => void,
): Promise<SweepResult> => {
  const { sweep, failFast, signal, onProgress = ignoreProgress, onNote = () => {} } = options;
  const manifest = await submit(options, place);
  onFolder();
  const complete = new Set(await filterAsync(manifest.trials, (trial) => isDone(place, trial)));
  const trials = inTurn(manifest.trials.filter((trial) => !complete.has(trial)));
  await cutTornLine(place.events);
  const { onEvent, tally } = follow({
    name: sweep.name,
    unit: 'runs',
    retryNote: 'it goes on from its last checkpoint',
    events: place.events,
    total: manifest.trials.length,
    finishedBefore: complete.size,
    tellFailures: true,
    onProgress,
    onNote,
  });
  const stop = new AbortController();
  const abort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    signal?.throwIfAborted();
    const executor = executorOf(options.executor, { ...sweep.slurm, ...options.slurm });
    await executor({
      ...trialJob(manifest, place),
      tasks: trials,
      jobs: options.jobs ?? processors(),
      onEvent: (event) => {
        onEvent(event);
        if (failFast && event.kind === 'failed') stop.abort();
      },
      onNote,
      signal: stop.signal,
    });
    signal?.throwIfAborted();
    const done = await filterAsync(manifest.trials, (trial) => isDone(place, trial));
    const runs = await finishedRuns(
      done.map((trial) => place.trial(trial).tag),
      options.outputDir,
    );
    const failed = tally.failed;
    const unfinished = manifest.trials
      .filter((trial) => !done.includes(trial) && !failed.some(({ tag }) => tag === trial.tag))
      .map(({ tag }) => tag);
    return { name: sweep.name, folder: place.folder, manifest, runs, failed, unfinished };
  } finally {
    signal?.removeEventListener('abort', abort);
  }
};

/**
 * Runs a sweep: freezes its configurations into `manifest.json`, packs the data once, runs every trial that has no result
 * in a process of its own, and says what came of each. A sweep that was killed goes on by `resume`; trials that failed are
 * tried again then.
 *
 * @throws Fault for a bad sweep, a sweep that is there without `resume` or `overwrite`, a changed configuration or changed
 *   data under `resume`, and another process at the same sweep. Failed trials are no error: see `failed`.
 */
export const runSweep = async (options: SweepOptions): Promise<SweepResult> => {
  const sweep = checkSweep(options.sweep);
  const place = sweepFolder(sweep.name, options.outputDir);
  await mkdir(place.folder, { recursive: true }).catch((error) => {
    throw sweepFault(place.folder, error);
  });
  const { destination } = options;
  let following: Following | undefined;
  const begin = (): void => {
    if (destination) following = followFolder(place.folder, destination);
  };
  try {
    return await withLock(join(place.folder, 'lock'), () => execute({ ...options, sweep }, place, begin), {
      onHeld: (owner) => {
        throw new Fault(
          `sweep: ${sweep.name}; another process is running it in ${place.folder} (${owner}); wait for it, or stop it`,
          1,
        );
      },
      signal: options.signal,
      fault: (error) => sweepFault(place.folder, error),
    });
  } finally {
    await following?.end();
  }
};
