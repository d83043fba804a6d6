import { Worker } from 'node:worker_threads';
import { Fault } from '../../fault.js';
import { kernelModule } from '../../kernels.js';
import { mostThreads, processors } from '../../processors.js';
import { controlAt, failedAt, limitAt, maxThreads } from '../abi.js';

/** Threads that kernels may use, this one counted: BANDALIGN_THREADS, else the processors there are, at most 16. */
export const threadCount = (): number => {
  const wish = process.env['BANDALIGN_THREADS'];
  if (wish === undefined || wish === '') return Math.min(processors(), mostThreads);
  if (!/^\d{1,2}$/.test(wish) || Number(wish) < 1 || Number(wish) > maxThreads)
    throw new Fault(`BANDALIGN_THREADS: ${wish}; a whole number from 1 to ${maxThreads}`);
  return Number(wish);
};

/** Lets `count` threads work on `memory`, this one counted; those beyond them sleep. */
export const limitThreads = (memory: WebAssembly.Memory, count: number): void => {
  const limit = new Int32Array(memory.buffer, controlAt + limitAt, 1);
  if (limit[0] === count) return;
  Atomics.store(limit, 0, count);
  Atomics.notify(limit, 0);
};

/** Runs in each thread; text, so that it needs no file of its own wherever the library is bundled or run from. */
const life = `
const { workerData: { module, memory, control, thread, failed } } = require('node:worker_threads');
try {
  const abort = () => { throw new Error('aborted'); };
  new WebAssembly.Instance(module, { env: { memory, abort } }).exports.serve(control, thread);
} catch (error) {
  const state = new Int32Array(memory.buffer);
  Atomics.store(state, failed >> 2, 1);
  throw error;
}`;

/**
 * Starts threads `from` … `count` − 1 of kernel `name` on `memory`; they take units of work as its `serve` does and never
 * hold the process back from its end. Where the host grants no thread, the caller does all units itself.
 */
export const startThreads = (name: string, memory: WebAssembly.Memory, from: number, count: number): void => {
  for (let thread = from; thread < count; thread++)
    try {
      const workerData = {
        module: kernelModule(name),
        memory,
        control: controlAt,
        thread,
        failed: controlAt + failedAt,
      };
      const worker = new Worker(life, { eval: true, workerData, execArgv: [], stdin: false });
      worker.on('error', () => {});
      worker.unref();
    } catch {
      return;
    }
};
