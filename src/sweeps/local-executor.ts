import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reason } from '../fault.js';
import { mostThreads, processors } from '../processors.js';
import { type Executor, type Job, mostRetries, type Task } from './executor.js';
import { isTaskMessage } from './task-message.js';
import { workerCommand } from './worker-command.js';

/** How a task's process ended. */
interface End {
  code: number | null;
  signal: NodeJS.Signals | null;
  reasons: readonly string[];
}

/** Environment of a worker: no more threads than its share of the cores, and a tracked run of its own. */
const workerEnvironment = (jobs: number): NodeJS.ProcessEnv => {
  const { MLFLOW_RUN_ID: _, ...env } = process.env;
  const threads = Math.max(1, Math.floor(processors() / jobs));
  return { BANDALIGN_THREADS: String(Math.min(threads, mostThreads)), ...env };
};

const startTask = async <T extends Task>(job: Job<T>, task: T): Promise<End> => {
  const path = job.log(task);
  await mkdir(dirname(path), { recursive: true });
  const log = await open(path, 'a');
  let child: ChildProcess;
  try {
    const { program, words } = workerCommand([...job.words, '--index', String(task.index)]);
    child = spawn(program, words, {
      // a process group of its own: a Ctrl-C at the terminal reaches it once, by way of this one
      detached: true,
      env: workerEnvironment(job.jobs),
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
    });
  } finally {
    await log.close();
  }
  let reasons: readonly string[] = [];
  child.on('message', (message) => {
    if (!isTaskMessage(message)) return;
    if (message.kind === 'progress') job.onEvent({ kind: 'progress', task, progress: message.progress });
    if (message.kind === 'note') job.onEvent({ kind: 'note', task, text: message.text });
    if (message.kind === 'failed') reasons = message.reasons;
  });
  const stop = (): void => void child.kill('SIGTERM');
  job.signal.addEventListener('abort', stop, { once: true });
  if (job.signal.aborted) stop();
  try {
    return await new Promise<End>((resolve) => {
      child.on('error', (error) => resolve({ code: 1, signal: null, reasons: [reason(error)] }));
      child.on('close', (code, signal) => resolve({ code, signal, reasons }));
    });
  } finally {
    job.signal.removeEventListener('abort', stop);
  }
};

/** What killed a process: a signal, or an exit status that a shell makes of one; null when it ended by itself. */
export const killer = ({ code, signal }: Pick<End, 'code' | 'signal'>): string | null =>
  signal ?? (code !== null && code > 128 && code < 160 ? `signal ${code - 128}` : null);

const advice = (why: string): string =>
  why === 'SIGKILL' || why === 'SIGABRT'
    ? 'the memory may not do for so many at once: fewer --jobs'
    : 'see its log';

const runOne = async <T extends Task>(job: Job<T>, task: T): Promise<void> => {
  const { onEvent, signal } = job;
  for (let attempt = 1; ; attempt++) {
    if (signal.aborted) return;
    onEvent({ kind: 'started', task, attempt });
    const end = await startTask(job, task);
    if (end.code === 0 && (await job.outcome(task))?.kind === 'finished')
      return onEvent({ kind: 'finished', task });
    if (signal.aborted) return onEvent({ kind: 'interrupted', task });
    const why = killer(end);
    if (why === null || attempt > mostRetries) {
      const told =
        why === null ? `ended with status ${end.code}` : `killed by ${why} ${attempt} times; ${advice(why)}`;
      return onEvent({
        kind: 'failed',
        task,
        reasons: end.reasons.length > 0 ? end.reasons : [`${told}; ${job.log(task)}`],
      });
    }
    onEvent({ kind: 'retried', task, why, attempt });
  }
};

/** Runs each task in a process of its own, `jobs` at the same time; a killed one is started again. */
export const localExecutor: Executor = async (job) => {
  const waiting = [...job.tasks];
  const worker = async (): Promise<void> => {
    for (let task = waiting.shift(); task && !job.signal.aborted; task = waiting.shift())
      await runOne(job, task);
  };
  await Promise.all(Array.from({ length: Math.min(job.jobs, job.tasks.length) }, worker));
};
