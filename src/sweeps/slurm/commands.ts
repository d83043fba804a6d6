import { execFile, spawn } from 'node:child_process';
import { userInfo } from 'node:os';
import { promisify } from 'node:util';
import { Fault, reason } from '../../fault.js';

const run = promisify(execFile);

/** Array tasks `job_task` → state, as sacct names it. */
export type TaskStates = Map<string, string>;

/** Array tasks `job_task` that wait or run → state and the comment that their job was submitted with. */
export type Queue = Map<string, { state: string; comment: string }>;

const call = async (program: string, words: readonly string[]): Promise<string> => {
  try {
    return (await run(program, words as string[], { timeout: 60_000, maxBuffer: 2 ** 26 })).stdout;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new Fault(
        `--executor slurm: ${program}; not on the PATH: run this on a node of the cluster, or use --executor local`,
      );
    const told = String((error as { stderr?: string }).stderr ?? '').trim();
    throw new Fault(`${program}: ${told.split('\n')[0] || reason(error)}`, 1, { cause: error });
  }
};

/** Submits a batch script, with more words for sbatch; gives the job's id. @throws Fault with what sbatch says */
export const submitBatch = async (script: string, words: readonly string[]): Promise<string> =>
  (await call('sbatch', ['--parsable', ...words, script])).trim().split(';')[0];

/** Does sbatch say that the user has as many jobs as allowed? That passes when some have ended. */
export const isSubmitLimit = (error: unknown): boolean =>
  /MaxSubmit|JobArrayTaskLimit|violates accounting.*limit|temporarily unable to accept/i.test(reason(error));

/** States of the user's tasks that wait or run; null where the controller does not answer. */
export const queuedTasks = async (): Promise<Queue | null> => {
  try {
    const text = await call('squeue', [
      '--noheader',
      '--array',
      '--format=%i|%T|%k',
      `--user=${userInfo().username}`,
    ]);
    return parseQueue(text);
  } catch (error) {
    if (error instanceof Fault && error.exitCode === 2) throw error;
    return null;
  }
};

/** Lines `123_4|RUNNING|comment`. */
export const parseQueue = (text: string): Queue =>
  new Map(
    text
      .split('\n')
      .map((line) => /^([^|]+)\|([^|]+)\|(.*)$/.exec(line.trim()))
      .filter((found) => found !== null)
      .map(([, id, state, comment]) => [id, { state, comment }]),
  );

/** Lines `123_4|OUT_OF_MEMORY|0:125` of sacct, the word of a state only (`CANCELLED by 0` is `CANCELLED`). */
export const parseAccounting = (text: string): TaskStates =>
  new Map(
    text
      .split('\n')
      .map((line) => line.trim().split('|'))
      .filter((parts) => parts.length >= 2)
      .map(([id, state]) => [id, state.split(' ')[0]]),
  );

/** How jobs ended; empty where the cluster keeps no accounts. */
export const endedTasks = async (jobs: readonly string[]): Promise<TaskStates> => {
  try {
    const words = [
      '--noheader',
      '--parsable2',
      '--allocations',
      '--format=JobID,State',
      `--jobs=${jobs.join(',')}`,
    ];
    return parseAccounting(await call('sacct', words));
  } catch {
    return new Map();
  }
};

/** Largest number of tasks in one array (MaxArraySize caps the index, so one less than that is safe). */
export const largestArray = async (): Promise<number> => {
  const found = /MaxArraySize\s*=\s*(\d+)/.exec(await call('scontrol', ['show', 'config']));
  return Math.max(1, Number(found?.[1] ?? 1001) - 1);
};

export const cancelJobs = async (jobs: readonly string[]): Promise<void> => {
  if (jobs.length > 0) await call('scancel', [...jobs]);
};

/** Has jobs cancelled by a process that outlives this one, which is about to exit. */
export const cancelDetached = (jobs: readonly string[]): void => {
  if (jobs.length > 0) spawn('scancel', [...jobs], { detached: true, stdio: 'ignore' }).on('error', () => {});
};
