import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheRoot } from '../dataset/cache-file.js';
import { digest, writeJson } from '../files.js';
import type { MlflowClient } from './client.js';
import { MlflowError } from './http.js';

/** Finished runs that a server had whole when this machine last looked, by their own ids. */
export type Receipts = Map<string, { runId: string; mark: string }>;

const fileOf = (address: string, experimentId: string): string =>
  join(cacheRoot(), `tracking-${digest(`${address} ${experimentId}`).slice(0, 16)}.json`);

const isReceipt = (entry: [string, { runId?: unknown; mark?: unknown } | null]): boolean =>
  /^[0-9a-f]{1,64}$/i.test(String(entry[1]?.runId)) && typeof entry[1]?.mark === 'string';

/**
 * The receipts that the server confirms: their runs are there, and nobody deleted them. A run in full is 17 kB that the
 * server puts together from a dozen tables, so to ask for a hundred of them takes it seconds; these questions, 50 ms.
 */
export const readReceipts = async (client: MlflowClient, experimentId: string): Promise<Receipts> => {
  try {
    const noted = Object.entries(
      JSON.parse(await readFile(fileOf(client.address, experimentId), 'utf8')) as object,
    ).filter(isReceipt);
    const runIds = noted.map(([, { runId }]) => runId as string);
    const there = await client.finishedRuns(experimentId, runIds);
    return new Map(noted.filter(([, { runId }]) => there.has(runId)));
  } catch (error) {
    if (error instanceof MlflowError && error.retryable) throw error;
    // none noted, or a server that does not know the question: every run is asked for
    return new Map();
  }
};

/** Keeps receipts for the next time, where the disk takes them. */
export const keepReceipts = (address: string, experimentId: string, receipts: Receipts): Promise<void> =>
  writeJson(fileOf(address, experimentId), Object.fromEntries(receipts)).catch(() => {});
