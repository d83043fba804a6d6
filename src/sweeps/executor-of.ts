import type { SlurmSettings } from '../experiments/sweep.js';
import { linesOf } from '../fault.js';
import type { Executor, ExecutorName } from './executor.js';
import { localExecutor } from './local-executor.js';
import { slurmExecutor } from './slurm/executor.js';

/** Runs the tasks one after the other in this process: for a debugger, and where no process can be started. */
const debugExecutor: Executor = async ({ tasks, run, onEvent, signal }) => {
  for (const task of tasks) {
    if (signal.aborted) return;
    onEvent({ kind: 'started', task, attempt: 1 });
    try {
      await run(task, {
        onProgress: (progress) => onEvent({ kind: 'progress', task, progress }),
        onNote: (text) => onEvent({ kind: 'note', task, text }),
        signal,
      });
      onEvent({ kind: 'finished', task });
    } catch (error) {
      if (signal.aborted) return onEvent({ kind: 'interrupted', task });
      onEvent({ kind: 'failed', task, reasons: linesOf(error) });
    }
  }
};

/** The executor of a name. */
export const executorOf = (name: ExecutorName = 'local', slurm: SlurmSettings = {}): Executor => {
  switch (name) {
    case 'debug':
      return debugExecutor;
    case 'slurm':
      return slurmExecutor(slurm);
    default:
      return localExecutor;
  }
};
