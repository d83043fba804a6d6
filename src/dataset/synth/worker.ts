import { parentPort, workerData } from 'node:worker_threads';
import { reason } from '../../fault.js';
import type { SynthParameters } from './tile.js';
import { type WrittenTile, writeTile } from './write.js';

/** What a worker answers to the number of a tile. */
export type WorkerAnswer = { written: WrittenTile } | { failed: string; code?: string };

const { root, parameters } = workerData as { root: string; parameters: SynthParameters };

parentPort?.on('message', (index: number) => {
  writeTile(root, parameters, index).then(
    (written) => parentPort?.postMessage({ written } satisfies WorkerAnswer),
    (error: NodeJS.ErrnoException) =>
      parentPort?.postMessage({ failed: reason(error), code: error.code } satisfies WorkerAnswer),
  );
});
