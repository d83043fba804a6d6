import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { reason } from '../fault.js';
import { readResult } from '../training/result.js';
import { type Executor, mostRetries, type SweepJob } from './executor.js';
import type { Trial } from './expand.js';
import { isTrialMessage } from './trial-message.js';
import { workerCommand } from './worker-command.js';

/** How a trial's process ended. */
interface End {
  code: number | null;
  signal: NodeJS.Signals | null;
  reasons: readonly string[];
}

/** Environment of a worker: no more threads than its share of the cores, and a tracked run of its own. */
const workerEnvironment = (jobs: number): NodeJS.ProcessEnv => {
  const { MLFLOW_RUN_ID: _, ...env } = process.env;
  const threads = Math.max(1, Math.floor(availableParallelism() / jobs));
  return { BANDALIGN_THREADS: String(Math.min(threads, 4)), ...env };
};

const startTrial = async (job: SweepJob, trial: Trial): Promise<End> => {
  const path = job.place.log(trial);
  await mkdir(dirname(path), { recursive: true });
  const log = await open(path, 'a');
  let child: ChildProcess;
  try {
    const { program, words } = workerCommand(job.place.manifest, [trial.index], job);
    child = spawn(program, words, {
      // a process group of its own: a Ctrl-C at the terminal reaches it once, by way of the sweep
      detached: true,
      env: workerEnvironment(job.jobs),
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
    });
  } finally {
    await log.close();
  }
  let reasons: readonly string[] = [];
  child.on('message', (message) => {
    if (!isTrialMessage(message)) return;
    if (message.kind === 'progress') job.onEvent({ kind: 'progress', trial, progress: message.progress });
    if (message.kind === 'note') job.onEvent({ kind: 'note', trial, text: message.text });
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

const runOne = async (job: SweepJob, trial: Trial): Promise<void> => {
  const { onEvent, signal, place } = job;
  for (let attempt = 1; ; attempt++) {
    if (signal.aborted) return;
    onEvent({ kind: 'started', trial, attempt });
    const end = await startTrial(job, trial);
    if (end.code === 0 && (await readResult(place.trial(trial).result)))
      return onEvent({ kind: 'finished', trial });
    if (signal.aborted) return onEvent({ kind: 'interrupted', trial });
    const why = killer(end);
    if (why === null || attempt > mostRetries) {
      const told =
        why === null ? `ended with status ${end.code}` : `killed by ${why} ${attempt} times; ${advice(why)}`;
      return onEvent({
        kind: 'failed',
        trial,
        reasons: end.reasons.length > 0 ? end.reasons : [`${told}; ${place.log(trial)}`],
      });
    }
    onEvent({ kind: 'retried', trial, why, attempt });
  }
};

/** Runs each trial in a process of its own, `jobs` at the same time; a killed one is started again from its checkpoint. */
export const localExecutor: Executor = async (job) => {
  const waiting = [...job.trials];
  const worker = async (): Promise<void> => {
    for (let trial = waiting.shift(); trial && !job.signal.aborted; trial = waiting.shift())
      await runOne(job, trial);
  };
  await Promise.all(Array.from({ length: Math.min(job.jobs, job.trials.length) }, worker));
};
