import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { SlurmSettings } from '../../experiments/sweep.js';
import { Fault } from '../../fault.js';
import { type Executor, type Job, mostRetries, type Task } from '../executor.js';
import { workerCommand } from '../worker-command.js';
import { batchScript, submitWords } from './batch-script.js';
import {
  cancelDetached,
  cancelJobs,
  endedTasks,
  isSubmitLimit,
  largestArray,
  type Queue,
  queuedTasks,
  submitBatch,
} from './commands.js';
import { groupTasks } from './group-tasks.js';

/** A task under way. */
interface Pending<T extends Task> {
  task: T;
  attempt: number;
  /** `job_task` of the queue; null: not submitted yet. */
  jobTask: string | null;
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
 * What a job is known by in the queue: its file of tasks, and the work that it is for. Kept there and not on disk, so that a
 * process killed right after sbatch finds its jobs too.
 */
const commentOf = (tasks: string, { fingerprint }: Pick<Job, 'fingerprint'>): string =>
  `${tasks}#${fingerprint.slice(0, 16)}`;

/** Positions of the tasks of each array task, from a file of tasks; none where it is gone. */
const readTasks = async (path: string): Promise<number[][]> => {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').map((line) =>
    line
      .split('\t')
      .map((entry) => Number.parseInt(entry, 10))
      .filter(Number.isInteger),
  );
};

/** What an earlier process submitted and that still waits or runs: `job_task` → positions. */
const tasksInQueue = async (
  queue: Queue | null,
  job: Pick<Job, 'folder' | 'fingerprint'>,
): Promise<Map<string, number[]>> => {
  const found = new Map<string, number[]>();
  for (const [jobTask, { comment }] of queue ?? []) {
    const path = comment.slice(0, comment.lastIndexOf('#'));
    if (dirname(path) !== join(job.folder, 'slurm') || comment !== commentOf(path, job)) continue;
    const number = Number(jobTask.split('_')[1]);
    found.set(jobTask, (await readTasks(path))[number] ?? []);
  }
  return found;
};

const submitter = async <T extends Task>(job: Job<T>, settings: SlurmSettings) => {
  const folder = join(job.folder, 'slurm');
  submitWords(folder, '');
  const odd = job.tasks.find(({ tag }) => /[\p{Cc}"]/u.test(tag));
  if (odd) throw new Fault(`--executor slurm: ${odd.tag}; a tag with quotes, tabs or line breaks, rename it`);
  await mkdir(folder, { recursive: true });
  await mkdir(join(job.folder, 'logs'), { recursive: true });
  let largest = Math.min(1000, await largestArray());
  // task files of jobs that may still be in the queue stay as they are
  let count = (await readdir(folder)).filter((file) => file.endsWith('.tasks')).length;
  const jobs = new Set<string>();

  const submit = async (groups: readonly T[][]): Promise<string> => {
    const name = `array-${String(++count).padStart(4, '0')}`;
    const tasks = join(folder, `${name}.tasks`);
    const line = (group: T[]): string => group.map(({ index, tag }) => `${index}:${tag}`).join('\t');
    await writeFile(tasks, groups.map((group) => `${line(group)}\n`).join(''));
    const { program, words } = workerCommand(job.words);
    const script = join(folder, `${name}.sh`);
    await writeFile(
      script,
      batchScript({
        name: job.name,
        cwd: process.cwd(),
        folder,
        home: job.folder,
        tasks,
        count: groups.length,
        parallel: settings.parallel ?? 256,
        program,
        words,
        milestone: job.milestone,
        settings,
      }),
    );
    const id = await submitBatch(script, submitWords(folder, commentOf(tasks, job)));
    jobs.add(id);
    return id;
  };

  return {
    /** Jobs that this process submitted or took up. */
    jobs,
    /**
     * Submits as many groups as the cluster takes; those that are beyond a limit of the user wait for the next time.
     * @throws Fault where not even one is taken while nothing of this job is in the queue
     */
    some: async (
      groups: T[][],
      busy: boolean,
      onSubmitted: (task: T, jobTask: string) => void,
    ): Promise<void> => {
      while (groups.length > 0) {
        const chunk = groups.slice(0, largest);
        try {
          const id = await submit(chunk);
          for (const [number, group] of chunk.entries())
            for (const task of group) onSubmitted(task, `${id}_${number}`);
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
 * Runs tasks as Slurm job arrays. What a task's own files say counts first, the queue second, the accounts last and for the
 * reason only. Jobs of an earlier, killed submission that still wait or run are taken up. On an aborted signal all are
 * cancelled.
 */
export const slurmExecutor =
  (settings: SlurmSettings): Executor =>
  async <T extends Task>(job: Job<T>) => {
    const { onEvent, onNote, signal, milestone } = job;
    const slurm = await submitter(job, settings);
    const pending = new Map<number, Pending<T>>(
      job.tasks.map((task) => [task.index, { task, attempt: 1, jobTask: null, started: false, gone: null }]),
    );
    let queue = await queuedTasks();
    for (const [jobTask, indices] of await tasksInQueue(queue, job)) {
      slurm.jobs.add(jobTask.split('_')[0]);
      for (const index of indices) {
        const found = pending.get(index);
        if (found) found.jobTask = jobTask;
      }
    }
    if (slurm.jobs.size > 0)
      onNote(`slurm: jobs ${[...slurm.jobs].join(', ')} of ${job.name} are still there; taken up`);

    const groups = groupTasks(
      [...pending.values()].filter(({ jobTask }) => jobTask === null).map(({ task }) => task),
      await job.seconds(),
      settings.perJob,
    );
    for (const task of groups.flat()) await job.clearFailure(task);

    const onSubmitted = (task: T, jobTask: string): void => {
      const one = pending.get(task.index)!;
      one.jobTask = jobTask;
      one.gone = null;
    };
    const finish = (one: Pending<T>, event: Parameters<typeof onEvent>[0]): void => {
      pending.delete(one.task.index);
      onEvent(event);
    };

    /** Decides about a task that left the queue without a result or a failure of its own. */
    const lost = async (one: Pending<T>): Promise<void> => {
      const { task, jobTask } = one;
      const state = (await endedTasks([jobTask!.split('_')[0]])).get(jobTask!) ?? 'gone from the queue';
      const isFinal = state === 'TIMEOUT' || state === 'CANCELLED';
      if (isFinal || one.attempt > mostRetries) {
        const advice =
          state === 'TIMEOUT'
            ? `; no ${milestone.what} fits into the time limit, raise slurm.time`
            : `; see ${job.log(task)}`;
        finish(one, {
          kind: 'failed',
          task,
          reasons: [`slurm: ${jobTask} ${state} without a result${advice}`],
        });
        return;
      }
      onEvent({ kind: 'retried', task, why: state, attempt: one.attempt });
      Object.assign(one, { attempt: one.attempt + 1, jobTask: null, started: false, gone: null });
      groups.push([task]);
    };

    const look = async (one: Pending<T>): Promise<void> => {
      const { task, jobTask } = one;
      if (jobTask === null) return;
      const inQueue = queue === null || queue.has(jobTask);
      const outcome = await job.outcome(task);
      if (outcome) return finish(one, { ...outcome, task });
      if (inQueue) {
        one.gone = null;
        if (!one.started && queue?.get(jobTask)?.state === 'RUNNING') {
          one.started = true;
          onEvent({ kind: 'started', task, attempt: one.attempt });
        }
        return;
      }
      one.gone ??= Date.now();
      if (Date.now() - one.gone > fileDelay) await lost(one);
    };

    const atExit = (): void => {
      if (signal.aborted) cancelDetached([...slurm.jobs]);
    };
    process.once('exit', atExit);
    let asked = Date.now();
    try {
      while (pending.size > 0) {
        signal.throwIfAborted();
        const busy = [...pending.values()].some(({ jobTask }) => jobTask !== null);
        if (groups.length > 0) {
          await slurm.some(groups, busy, onSubmitted);
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
      for (const { task } of pending.values()) onEvent({ kind: 'interrupted', task });
    } finally {
      process.off('exit', atExit);
    }
  };
