import type { SlurmSettings } from '../experiments/sweep.js';
import { debugExecutor } from './debug-executor.js';
import type { Executor, ExecutorName } from './executor.js';
import { localExecutor } from './local-executor.js';
import { slurmExecutor } from './slurm/executor.js';

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
