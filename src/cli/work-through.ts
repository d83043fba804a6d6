import { Fault, linesOf } from '../fault.js';
import type { OnProgress } from '../progress.js';
import type { taskSpeaker } from '../sweeps/task-message.js';
import type { Call } from './command.js';
import { several } from './options.js';

/** How a task is listened to. */
export interface TaskEars {
  onProgress: OnProgress;
  onNote: (text: string) => void;
  signal: AbortSignal;
}

/** The tasks that `--index` names, in the order given. */
export const namedTasks = <T>(call: Call, tasks: readonly T[]): T[] =>
  several(call, 'index').map((index) => {
    const task = tasks[Number(index)];
    if (!task) throw new Fault(`--index: ${index}; one of 0 to ${tasks.length - 1}`);
    return task;
  });

/** Tells the executor that a task failed, and the log where it was no fault; the process is to end with 1. */
export const tellFailure = async (say: ReturnType<typeof taskSpeaker>, error: unknown): Promise<void> => {
  process.exitCode = 1;
  await say({ kind: 'failed', reasons: linesOf(error) });
  if (!(error instanceof Fault) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
};

/** Works through tasks one after the other for an executor: a failure is told and the next one begins, a stop ends all. */
export const workThrough = async <T>(
  call: Call,
  say: ReturnType<typeof taskSpeaker>,
  tasks: readonly T[],
  work: (task: T, ears: TaskEars) => Promise<unknown>,
): Promise<void> => {
  const ears: TaskEars = {
    onProgress: (progress) => {
      void say({ kind: 'progress', progress });
      if (!process.send) call.progress(progress);
    },
    onNote: (text) => void say({ kind: 'note', text }),
    signal: call.signal,
  };
  for (const task of tasks) {
    call.signal.throwIfAborted();
    try {
      await work(task, ears);
      await say({ kind: 'finished' });
    } catch (error) {
      if (call.signal.aborted) throw error;
      await tellFailure(say, error);
    }
  }
};
