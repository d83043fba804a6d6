import { Worker } from 'node:worker_threads';
import { Fault } from '../fault.js';
import { mostThreads, processors } from '../processors.js';
import { type Row, type RowJob, readRow } from './read-row.js';
import type { RowAnswer } from './read-row-worker.js';

/** Reads patches, some at once. */
export interface RowReader {
  /** Jobs to keep under way. */
  atOnce: number;
  read: (job: RowJob) => Promise<Row | null>;
  close: () => Promise<void>;
}

/** Fewer patches than this are read sooner than threads start. */
const worthThreads = 32;
/** Jobs of one thread: while one waits for the disk, the other is decoded. */
const jobsPerThread = 2;

/** Threads to read with: BANDALIGN_THREADS, else one for each core. */
const threadCount = (patches: number): number => {
  if (patches < worthThreads) return 1;
  const wish = Number(process.env['BANDALIGN_THREADS']);
  return Math.min(Number.isInteger(wish) && wish > 0 ? wish : processors(), mostThreads);
};

interface Pending {
  resolve: (row: Row | null) => void;
  reject: (error: unknown) => void;
}

interface Thread {
  worker: Worker;
  pending: Map<number, Pending>;
  /** Why the thread is no more. */
  ended?: unknown;
}

const startThread = (): Thread => {
  // run from source (tests), the thread needs the same loader as an experiment's typed file
  const source = import.meta.url.endsWith('.ts');
  const worker = new Worker(new URL(`./read-row-worker.${source ? 'ts' : 'js'}`, import.meta.url), {
    execArgv: source ? ['--import', import.meta.resolve('jiti/register')] : [],
    // geotiff's web-worker takes a thread without workerData for one of its own
    workerData: {},
  });
  const pending: Thread['pending'] = new Map();
  const thread: Thread = { worker, pending };
  const fail = (error: unknown): void => {
    thread.ended ??= error;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  worker.on('message', (answer: RowAnswer) => {
    const job = pending.get(answer.id);
    pending.delete(answer.id);
    if ('row' in answer) job?.resolve(answer.row);
    else
      job?.reject('faults' in answer ? new Fault(answer.faults, answer.exitCode) : new Error(answer.error));
  });
  worker.on('error', fail);
  worker.on('exit', (code) => fail(new Error(`a reading thread ended (code ${code})`)));
  return thread;
};

/** A reader for `patches` patches: in threads where that pays, else in this one. */
export const rowReader = (patches: number, threads = threadCount(patches)): RowReader => {
  if (threads < 2) return { atOnce: 4, read: readRow, close: async () => {} };
  const pool = Array.from({ length: threads }, startThread);
  let next = 0;
  return {
    atOnce: threads * jobsPerThread,
    read: (job) =>
      new Promise((resolve, reject) => {
        const thread = pool.reduce((least, one) => (one.pending.size < least.pending.size ? one : least));
        if (thread.ended !== undefined) return reject(thread.ended);
        const id = next++;
        thread.pending.set(id, { resolve, reject });
        thread.worker.postMessage({ id, job });
      }),
    close: async () => {
      for (const { worker } of pool) worker.removeAllListeners('exit');
      await Promise.all(pool.map(({ worker }) => worker.terminate()));
    },
  };
};
