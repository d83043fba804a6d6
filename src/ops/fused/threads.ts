import { Worker } from 'node:worker_threads';
import { Fault } from '../../fault.js';
import { mostThreads, processors } from '../../processors.js';
import { kernelModule } from './load.js';

/** What the threads of a memory agree upon, at its start (kernels/crew.ts); bytes. */
export const control = 1024;
/** Addresses of the threads' scratch memories, u32. */
export const scratchAt = control + 64;
const failedAt = control + 24;
const limitAt = control + 36;

/** As many as a control block has room for. */
export const maxThreads = 32;

/** Where a kernel's own part of such a memory begins. */
export const firstFree = scratchAt + 4 * maxThreads;

/** 64 KiB pages of a shared memory at most; all of WebAssembly's 4 GiB where the host grants the addresses. */
const maxima = [65536, 32768, 8192];

/** A memory that threads may share. It grows in place. */
export const sharedMemory = (): WebAssembly.Memory => {
  let refusal: unknown;
  for (const maximum of maxima)
    try {
      return new WebAssembly.Memory({ initial: 1, maximum, shared: true });
    } catch (error) {
      refusal = error;
    }
  throw refusal;
};

/**
 * Makes the memory `bytes` long at least; views of a buffer taken before do not see what is added.
 *
 * @throws Fault with the words of `refusal` where it cannot be so long
 */
export const reserve = (memory: WebAssembly.Memory, bytes: number, refusal: string): void => {
  const missing = Math.ceil(bytes / 65536) - memory.buffer.byteLength / 65536;
  if (missing <= 0) return;
  try {
    memory.grow(missing);
  } catch {
    throw new Fault(refusal, 1);
  }
};

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
  const limit = new Int32Array(memory.buffer, limitAt, 1);
  if (limit[0] === count) return;
  Atomics.store(limit, 0, count);
  Atomics.notify(limit, 0);
};

/** Runs in each thread; text, so that it needs no file of its own wherever the library is bundled or run from. */
const life = `
const { workerData: { module, memory, control, thread, failedAt } } = require('node:worker_threads');
try {
  const abort = () => { throw new Error('aborted'); };
  new WebAssembly.Instance(module, { env: { memory, abort } }).exports.serve(control, thread);
} catch (error) {
  const state = new Int32Array(memory.buffer);
  Atomics.store(state, failedAt >> 2, 1);
  throw error;
}`;

/**
 * Starts threads 1 … count − 1 of kernel `name` on `memory`; they take units of work as its `serve` does and never
 * hold the process back from its end. Where the host grants no thread, the caller does all units itself.
 */
export const startThreads = (name: string, memory: WebAssembly.Memory, from: number, count: number): void => {
  for (let thread = from; thread < count; thread++)
    try {
      const workerData = { module: kernelModule(name), memory, control, thread, failedAt };
      const worker = new Worker(life, { eval: true, workerData, execArgv: [], stdin: false });
      worker.on('error', () => {});
      worker.unref();
    } catch {
      return;
    }
};
