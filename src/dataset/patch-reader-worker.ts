import { parentPort } from 'node:worker_threads';
import { Fault, reason } from '../fault.js';
import { type PatchAnswer, type PatchJob, readAndCount } from './patch-reader.js';

/** The runtime of a thread that reads patches for `patchReader`. */
parentPort?.on('message', async ({ id, job }: { id: number; job: PatchJob }) => {
  const answer = (message: PatchAnswer, transfer: ArrayBuffer[] = []): void =>
    parentPort?.postMessage(message, transfer);
  try {
    const packed = await readAndCount(job);
    const columns = Object.values(packed?.columns ?? {}).map(({ buffer }) => buffer as ArrayBuffer);
    answer({ id, packed }, [...columns, ...(packed?.pixels ? [packed.pixels] : [])]);
  } catch (error) {
    if (error instanceof Fault) answer({ id, faults: error.faults, exitCode: error.exitCode });
    else answer({ id, error: error instanceof Error ? (error.stack ?? reason(error)) : reason(error) });
  }
});
