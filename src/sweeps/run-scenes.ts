import { stat } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import type { Aligner } from '../experiments/aligner.js';
import type { SlurmSettings } from '../experiments/sweep.js';
import { Fault, reason } from '../fault.js';
import { cutTornLine, makeFolder } from '../files.js';
import { withLock } from '../lock.js';
import { ignoreProgress, type OnProgress } from '../progress.js';
import type { SceneResult } from '../scenes/apply-list.js';
import { isApplied } from '../scenes/scene-fingerprint.js';
import { readSceneList } from '../scenes/scene-list.js';
import type { SceneRequest } from '../scenes/scene-request.js';
import { applyListed, clearListed, listedResult } from './apply-listed.js';
import type { ExecutorName, Job, TaskEvent } from './executor.js';
import { executorOf } from './executor-of.js';
import { readFailure } from './failure.js';
import { follow } from './follow.js';
import {
  type SceneListFolder,
  type SceneManifest,
  type SceneTask,
  sceneListFolder,
  sceneManifest,
  writeSceneManifest,
} from './scene-manifest.js';

/** What a list of scenes is aligned with. */
export interface SceneListOptions {
  /** File that names scenes, a line each. */
  list: string;
  /** Folder of the aligned scenes; the list's own state goes to `<out>/<list>.list`. */
  out: string;
  /** Path of the weights, and what was loaded from it. */
  weights: string;
  aligner: Aligner;
  /** `--set` words that `aligner` was loaded with. */
  settings?: readonly string[];
  /** What holds for scenes whose lines say nothing else. */
  common?: Omit<SceneRequest, 'inputs' | 'out'>;
  executor?: ExecutorName;
  slurm?: SlurmSettings;
  /** Scenes at the same time; one already uses several cores. @default 1 */
  jobs?: number;
  /** Called for each scene when what became of it is known. */
  onResult?: (result: SceneResult) => void;
  onProgress?: OnProgress;
  onNote?: (text: string) => void;
  signal?: AbortSignal;
}

/** Start of a process and loading of the model, and what one core aligns in a second, on the safe side. */
const startSeconds = 5;
const bytesPerSecond = 8e6;

/** What a scene takes, by the size of its files; null where it is not known, as of URLs and folders. */
const sceneSeconds = async (tasks: readonly SceneTask[]): Promise<(task: SceneTask) => number | null> => {
  const known = new Map<number, number>();
  for (const { index, request } of tasks) {
    const files = await Promise.all(request.inputs.map((path) => stat(path).catch(() => null)));
    const bytes = files.reduce((sum, file) => sum + (file?.isFile() ? file.size : Number.NaN), 0);
    if (!Number.isNaN(bytes)) known.set(index, startSeconds + bytes / bytesPerSecond);
  }
  return ({ index }) => known.get(index) ?? null;
};

const listFault = (folder: string, error: unknown): unknown =>
  error instanceof Fault
    ? error
    : new Fault(`list: ${folder}; cannot be written (${reason(error)}); choose another --out`, 1, {
        cause: error,
      });

const sceneJob = (
  name: string,
  manifest: SceneManifest,
  place: SceneListFolder,
  { aligner, weights }: SceneListOptions,
  tasks: readonly SceneTask[],
): Omit<Job<SceneTask>, 'jobs' | 'onEvent' | 'onNote' | 'signal'> => ({
  name,
  fingerprint: manifest.fingerprint,
  folder: place.folder,
  tasks,
  milestone: { files: 'result.json', what: 'scene', resumesFrom: 'with the next scene' },
  words: ['apply-listed', '--manifest', place.manifest(manifest.fingerprint)],
  log: place.log,
  outcome: async (task) => {
    if (await listedResult(place, task, aligner)) return { kind: 'finished' };
    const reasons = await readFailure(place.scene(task));
    return reasons && { kind: 'failed', reasons };
  },
  clearFailure: (task) => clearListed(place, task),
  run: (task, context) => applyListed(place, task, { aligner, weights, ...context }),
  seconds: () => sceneSeconds(tasks),
});

const execute = async (
  options: SceneListOptions,
  place: SceneListFolder,
  manifest: SceneManifest,
): Promise<SceneResult[]> => {
  const { list, aligner, executor, slurm, jobs = 1, onResult, signal } = options;
  const { onProgress = ignoreProgress, onNote = () => {} } = options;
  const results: SceneResult[] = [];
  const tell = (task: SceneTask, status: SceneResult['status'], more: Partial<SceneResult> = {}): void => {
    const { inputs, out } = task.request;
    const scene = inputs.join(' ');
    results[task.index] = { scene, out, status, seconds: 0, warnings: [], faults: [], ...more };
    onResult?.(results[task.index]);
  };
  const waiting: SceneTask[] = [];
  for (const task of manifest.scenes)
    if (await isApplied(task.request, aligner)) tell(task, 'kept');
    else waiting.push(task);
  const name = basename(list, extname(list));
  await cutTornLine(place.events);
  const { onEvent } = follow({
    name: 'scenes',
    unit: 'scenes',
    retryNote: 'it begins again',
    events: place.events,
    total: manifest.scenes.length,
    finishedBefore: manifest.scenes.length - waiting.length,
    tellFailures: false,
    onProgress,
    onNote,
  });
  /** Results of finished scenes that are still being read. */
  const readings: Promise<void>[] = [];
  const onEnd = (event: TaskEvent<SceneTask>): void => {
    onEvent(event);
    if (event.kind === 'failed') tell(event.task, 'failed', { faults: [...event.reasons] });
    if (event.kind === 'finished')
      readings.push(
        listedResult(place, event.task, aligner).then((result) => tell(event.task, 'done', result ?? {})),
      );
  };
  signal?.throwIfAborted();
  if (waiting.length > 0)
    await executorOf(
      executor,
      slurm,
    )({
      ...sceneJob(name, manifest, place, options, waiting),
      jobs,
      onEvent: onEnd,
      onNote,
      signal: signal ?? new AbortController().signal,
    });
  await Promise.all(readings);
  signal?.throwIfAborted();
  return results;
};

/**
 * Aligns the scenes of a list by an executor: in processes of its own, as Slurm jobs, or in this process. Scenes that an
 * earlier run finished are kept, one that fails does not stop the others, and a list that was killed goes on when it is given
 * again. Results come in the order of the list.
 *
 * @throws Fault for a bad list, and for another process at the same list. Failed scenes are no error: see `status`.
 */
export const runScenes = async (options: SceneListOptions): Promise<SceneResult[]> => {
  const { list, out, weights, aligner, settings = [], common = {} } = options;
  const requests = await readSceneList(list, out, common);
  const manifest = sceneManifest(requests, out, weights, aligner, settings);
  const place = sceneListFolder(join(out, `${basename(list, extname(list))}.list`));
  try {
    await makeFolder(place.folder);
    await writeSceneManifest(place.manifest(manifest.fingerprint), manifest);
  } catch (error) {
    throw listFault(place.folder, error);
  }
  return withLock(join(place.folder, 'lock'), () => execute(options, place, manifest), {
    onHeld: (owner) => {
      throw new Fault(
        `list: ${list}; another process is aligning it in ${place.folder} (${owner}); wait for it, or stop it`,
        1,
      );
    },
    signal: options.signal,
    fault: (error) => listFault(place.folder, error),
  });
};
