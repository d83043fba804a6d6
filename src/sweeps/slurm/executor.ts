import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { SlurmSettings } from '../../config/sweep.js';
import { readResult } from '../../training/result.js';
import { readTrackingNote, trackingFile } from '../../training/tracked-run.js';
import { measuredSeconds } from '../cost.js';
import { type Executor, mostRetries, type SweepJob } from '../executor.js';
import type { Trial } from '../expand.js';
import type { Manifest } from '../manifest.js';
import { failureFile, readFailure } from '../run-trial.js';
import { workerCommand } from '../worker-command.js';
import { batchScript } from './batch-script.js';
import {
  cancelJobs,
  endedTasks,
  isSubmitLimit,
  largestArray,
  type Queue,
  queuedTasks,
  submitBatch,
} from './commands.js';
import { groupTrials } from './group-trials.js';

/** A trial under way. */
interface Pending {
  trial: Trial;
  attempt: number;
  /** `job_task`; null: not submitted yet. */
  task: string | null;
  started: boolean;
  /** When it was first seen to have left the queue without a result, ms. */
  gone: number | null;
}

/** Between two looks, ms: files on each, the queue on every tenth second, so that the controller is left in peace. */
const lookEvery = 1000;
const queueEvery = Number(process.env['BANDALIGN_SLURM_POLL_SECONDS'] || 10) * 1000;
/** A shared file system may show a file this much later than the queue shows its job gone. */
const fileDelay = 5000;

/**
 * What a job is known by in the queue: its file of tasks, and the configurations that it is for. Kept there and not on disk,
 * so that a sweep killed right after sbatch finds its jobs too.
 */
const commentOf = (tasks: string, { fingerprint }: Manifest): string =>
  `${tasks}#${fingerprint.slice(0, 16)}`;

/** Positions of the trials of each array task, from a file of tasks; none where it is gone. */
const readTasks = async (path: string): Promise<number[][]> => {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').map((line) =>
    line
      .split('\t')
      .map((entry) => Number.parseInt(entry, 10))
      .filter(Number.isInteger),
  );
};

/** Trials whose tasks an earlier process submitted and that still wait or run: `job_task` → positions. */
const tasksInQueue = async (queue: Queue | null, job: SweepJob): Promise<Map<string, number[]>> => {
  const found = new Map<string, number[]>();
  for (const [task, { comment }] of queue ?? []) {
    const path = comment.slice(0, comment.lastIndexOf('#'));
    if (dirname(path) !== join(job.place.folder, 'slurm') || comment !== commentOf(path, job.manifest))
      continue;
    const number = Number(task.split('_')[1]);
    found.set(task, (await readTasks(path))[number] ?? []);
  }
  return found;
};

const submitter = async (job: SweepJob, settings: SlurmSettings) => {
  const folder = join(job.place.folder, 'slurm');
  await mkdir(folder, { recursive: true });
  await mkdir(join(job.place.folder, 'logs'), { recursive: true });
  let largest = Math.min(1000, await largestArray());
  // task files of jobs that may still be in the queue stay as they are
  let count = (await readdir(folder)).filter((file) => file.endsWith('.tasks')).length;
  const jobs = new Set<string>();

  const submit = async (groups: readonly Trial[][]): Promise<string> => {
    const name = `array-${String(++count).padStart(4, '0')}`;
    const tasks = join(folder, `${name}.tasks`);
    const line = (group: Trial[]): string => group.map(({ index, tag }) => `${index}:${tag}`).join('\t');
    await writeFile(tasks, groups.map((group) => `${line(group)}\n`).join(''));
    const { program, words } = workerCommand(job.place.manifest, [], job);
    const script = join(folder, `${name}.sh`);
    await writeFile(
      script,
      batchScript({
        name: job.manifest.name,
        cwd: process.cwd(),
        folder,
        sweep: job.place.folder,
        tasks,
        comment: commentOf(tasks, job.manifest),
        count: groups.length,
        parallel: settings.parallel ?? 256,
        program,
        words,
        settings,
      }),
    );
    const id = await submitBatch(script);
    jobs.add(id);
    return id;
  };

  return {
    /** Jobs of this sweep that this process submitted or took up. */
    jobs,
    /**
     * Submits as many groups as the cluster takes; those that are beyond a limit of the user wait for the next time.
     * @throws Fault where not even one is taken while nothing of this sweep is in the queue
     */
    some: async (
      groups: Trial[][],
      busy: boolean,
      onTask: (trial: Trial, task: string) => void,
    ): Promise<void> => {
      while (groups.length > 0) {
        const chunk = groups.slice(0, largest);
        try {
          const id = await submit(chunk);
          for (const [task, group] of chunk.entries())
            for (const trial of group) onTask(trial, `${id}_${task}`);
          groups.splice(0, chunk.length);
          busy = true;
        } catch (error) {
          if (!isSubmitLimit(error) || (chunk.length === 1 && !busy)) throw error;
          if (chunk.length === 1) return;
          largest = Math.max(1, Math.floor(chunk.length / 2));
        }
      }
    },
  };
};

/**
 * Runs trials as Slurm job arrays. What a trial's own files say counts first, the queue second, the accounts last and for
 * the reason only. Jobs of an earlier, killed submission that still wait or run are taken up. On an aborted signal all are
 * cancelled.
 */
export const slurmExecutor =
  (settings: SlurmSettings): Executor =>
  async (job) => {
    const { place, trials, onEvent, onNote, signal } = job;
    const slurm = await submitter(job, settings);
    const pending = new Map<number, Pending>(
      trials.map((trial) => [trial.index, { trial, attempt: 1, task: null, started: false, gone: null }]),
    );
    let queue = await queuedTasks();
    for (const [task, indices] of await tasksInQueue(queue, job)) {
      slurm.jobs.add(task.split('_')[0]);
      for (const index of indices) {
        const found = pending.get(index);
        if (found) found.task = task;
      }
    }
    if (slurm.jobs.size > 0)
      onNote(`slurm: jobs ${[...slurm.jobs].join(', ')} of this sweep are still there; taken up`);

    const seconds = await measuredSeconds(job.manifest, place);
    const groups = groupTrials(
      [...pending.values()].filter(({ task }) => task === null).map(({ trial }) => trial),
      (trial) => seconds(trial),
      settings.perJob,
    );
    // what an earlier attempt said must not be taken for the word of this one
    for (const trial of groups.flat()) await rm(failureFile(place.trial(trial).folder), { force: true });

    const onTask = (trial: Trial, task: string): void => {
      const one = pending.get(trial.index)!;
      one.task = task;
      one.gone = null;
    };
    const finish = (one: Pending, event: Parameters<typeof onEvent>[0]): void => {
      pending.delete(one.trial.index);
      onEvent(event);
    };

    /** Decides about a trial whose task left the queue without a result or a failure of its own. */
    const lost = async (one: Pending): Promise<void> => {
      const { trial, task } = one;
      const state = (await endedTasks([task!.split('_')[0]])).get(task!) ?? 'gone from the queue';
      const log = place.log(trial);
      const isFinal = state === 'TIMEOUT' || state === 'CANCELLED';
      if (isFinal || one.attempt > mostRetries) {
        const advice =
          state === 'TIMEOUT' ? '; no epoch fits into the time limit, raise slurm.time' : `; see ${log}`;
        finish(one, {
          kind: 'failed',
          trial,
          reasons: [`slurm: ${task} ${state} without a result${advice}`],
        });
        return;
      }
      onEvent({ kind: 'retried', trial, why: state, attempt: one.attempt });
      Object.assign(one, { attempt: one.attempt + 1, task: null, started: false, gone: null });
      groups.push([trial]);
    };

    const look = async (one: Pending): Promise<void> => {
      const { trial, task } = one;
      if (task === null) return;
      const { folder, result } = place.trial(trial);
      const inQueue = queue === null || queue.has(task);
      if (await readResult(result)) {
        const recorded = !job.track || (await readTrackingNote(trackingFile(folder)))?.complete !== false;
        if (recorded || !inQueue) finish(one, { kind: 'finished', trial });
        return;
      }
      const reasons = await readFailure(folder);
      if (reasons) return finish(one, { kind: 'failed', trial, reasons });
      if (inQueue) {
        one.gone = null;
        if (!one.started && queue?.get(task)?.state === 'RUNNING') {
          one.started = true;
          onEvent({ kind: 'started', trial, attempt: one.attempt });
        }
        return;
      }
      one.gone ??= Date.now();
      if (Date.now() - one.gone > fileDelay) await lost(one);
    };

    let asked = Date.now();
    try {
      while (pending.size > 0) {
        signal.throwIfAborted();
        const busy = [...pending.values()].some(({ task }) => task !== null);
        if (groups.length > 0) {
          await slurm.some(groups, busy, onTask);
          queue = await queuedTasks();
        }
        for (const one of [...pending.values()]) await look(one);
        if (pending.size === 0) break;
        await pause(lookEvery, undefined, { signal });
        if (Date.now() - asked >= queueEvery) {
          queue = await queuedTasks();
          asked = Date.now();
        }
      }
    } catch (error) {
      await cancelJobs([...slurm.jobs]).catch((why: Error) => onNote(why.message));
      if (!signal.aborted) throw error;
      for (const { trial } of pending.values()) onEvent({ kind: 'interrupted', trial });
    }
  };
