import { parentPort } from 'node:worker_threads';
import { Fault, reason } from '../fault.js';
import { type Row, type RowJob, readRow } from './read-row.js';

/** The answer of a thread to a job: a row, faults, or an error that nobody foresaw. */
export type RowAnswer = { id: number } & (
  | { row: Row | null }
  | { faults: readonly string[]; exitCode: 1 | 2 }
  | { error: string }
);

/** The runtime of a thread that reads patches for `rowReader`. */
parentPort?.on('message', async ({ id, job }: { id: number; job: RowJob }) => {
  const answer = (message: RowAnswer, transfer: ArrayBuffer[] = []): void =>
    parentPort?.postMessage(message, transfer);
  try {
    const row = await readRow(job);
    const columns = Object.values(row?.columns ?? {}).map(({ buffer }) => buffer as ArrayBuffer);
    answer({ id, row }, [...columns, ...(row?.pixels ? [row.pixels] : [])]);
  } catch (error) {
    if (error instanceof Fault) answer({ id, faults: error.faults, exitCode: error.exitCode });
    else answer({ id, error: error instanceof Error ? (error.stack ?? reason(error)) : reason(error) });
  }
});
