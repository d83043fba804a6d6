import { Worker } from 'node:worker_threads';
import { Fault } from '../fault.js';
import { mostThreads, processors } from '../processors.js';
import { packPixels } from './packed.js';
import type { Patch } from './patch.js';
import { readPatch } from './read-patch.js';
import { patchColumns, type TableColumns, type TableShape } from './statistics-table.js';

/** What is made of one patch. */
export interface PatchJob {
  patch: Patch;
  bands: readonly string[];
  /** Statistics of this shape; null for none. */
  shape: TableShape | null;
  /** Packed pixels too. */
  pixels: boolean;
}

/** One patch, read: its columns of the statistics table, and its pixels as they are stored. */
export interface PackedPatch {
  width: number;
  height: number;
  columns: TableColumns | null;
  pixels: ArrayBuffer | null;
}

/** The answer of a thread to a job: what it made, faults, or an error that nobody foresaw. */
export type PatchAnswer = { id: number } & (
  | { packed: PackedPatch | null }
  | { faults: readonly string[]; exitCode: 1 | 2 }
  | { error: string }
);

/**
 * Reads one patch; null when it has no valid pixel.
 * @throws Fault with all that is wrong with its files
 */
export const readAndCount = async ({
  patch,
  bands,
  shape,
  pixels,
}: PatchJob): Promise<PackedPatch | null> => {
  const read = await readPatch(patch, bands);
  if (!read.mask.some((valid) => valid !== 0)) return null;
  return {
    width: read.width,
    height: read.height,
    columns: shape && patchColumns(read, shape),
    pixels: pixels ? packPixels(read) : null,
  };
};

/** Reads patches, some at once. */
export interface PatchReader {
  /** Jobs to keep under way. */
  atOnce: number;
  read: (job: PatchJob) => Promise<PackedPatch | null>;
  close: () => Promise<void>;
}

/** Fewer patches than this are read before threads would have started. */
const worthThreads = 32;
/** Jobs of one thread: while one waits for the disk, the other is decoded. */
const jobsPerThread = 2;

/** Threads to read with: BANDALIGN_THREADS, else one for each core. */
const threadCount = (patches: number): number => {
  if (patches < worthThreads) return 1;
  const asked = Number(process.env['BANDALIGN_THREADS']);
  return Math.min(Number.isInteger(asked) && asked > 0 ? asked : processors(), mostThreads);
};

interface Pending {
  resolve: (packed: PackedPatch | null) => void;
  reject: (error: unknown) => void;
}

interface Thread {
  worker: Worker;
  pending: Map<number, Pending>;
  /** Why the thread has ended. */
  ended?: unknown;
}

const startThread = (): Thread => {
  // run from source (tests), the thread needs the same loader as an experiment's typed file
  const source = import.meta.url.endsWith('.ts');
  const worker = new Worker(new URL(`./patch-reader-worker.${source ? 'ts' : 'js'}`, import.meta.url), {
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
  worker.on('message', (answer: PatchAnswer) => {
    const job = pending.get(answer.id);
    pending.delete(answer.id);
    if ('packed' in answer) job?.resolve(answer.packed);
    else
      job?.reject('faults' in answer ? new Fault(answer.faults, answer.exitCode) : new Error(answer.error));
  });
  worker.on('error', fail);
  worker.on('exit', (code) => fail(new Error(`a reading thread ended (code ${code})`)));
  return thread;
};

/** A reader for `patches` patches: in threads where that pays, else in this one. */
export const patchReader = (patches: number, threads = threadCount(patches)): PatchReader => {
  if (threads < 2) return { atOnce: 4, read: readAndCount, close: async () => {} };
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
