import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { Fault, reason } from '../../fault.js';
import { processors } from '../../processors.js';
import type { SynthParameters } from './tile.js';
import type { WorkerAnswer } from './worker.js';
import { type WrittenTile, writeTile } from './write.js';

const workerFile = new URL('./worker.js', import.meta.url);

const failure = (problem: string, code?: string): Fault =>
  new Fault(
    code === 'ENOSPC'
      ? 'dataset synth: no space left on the disk; free some or draw fewer tiles'
      : `dataset synth: ${problem}`,
    1,
  );

const drawHere = async (
  root: string,
  parameters: SynthParameters,
  onTile: (tile: WrittenTile) => void,
  signal: AbortSignal,
): Promise<void> => {
  for (let index = 0; index < parameters.tiles; index++) {
    signal.throwIfAborted();
    try {
      onTile(await writeTile(root, parameters, index));
    } catch (error) {
      throw failure(reason(error), (error as NodeJS.ErrnoException).code);
    }
    // an interruption is only heard between turns of the event loop
    await new Promise((resolve) => setImmediate(resolve));
  }
};

const drawWithWorkers = (
  root: string,
  parameters: SynthParameters,
  workers: number,
  onTile: (tile: WrittenTile) => void,
  signal: AbortSignal,
): Promise<void> =>
  new Promise((resolve, reject) => {
    let [next, done] = [0, 0];
    const crew: Worker[] = [];
    const finish = (error?: unknown): void => {
      signal.removeEventListener('abort', onAbort);
      // nobody may write into a folder that is about to be renamed or removed
      void Promise.all(crew.map((worker) => worker.terminate())).then(() =>
        error ? reject(error) : resolve(),
      );
    };
    const onAbort = (): void => finish(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    for (let i = 0; i < Math.min(workers, parameters.tiles); i++) {
      const worker = new Worker(workerFile, {
        workerData: { root, parameters },
        // what the process was started with (an inline script, a profiler) is not the workers' business
        execArgv: [],
      });
      crew.push(worker);
      const give = (): void => {
        if (next < parameters.tiles) worker.postMessage(next++);
      };
      worker.on('message', (answer: WorkerAnswer) => {
        if ('failed' in answer) return finish(failure(answer.failed, answer.code));
        onTile(answer.written);
        if (++done === parameters.tiles) return finish();
        give();
      });
      worker.on('error', (error) => finish(failure(reason(error))));
      give();
    }
  });

/**
 * Draws all tiles, in as many worker threads as there are cores (or `workers`); each tile depends on the seed and its
 * number alone, so the files are the same whoever draws them. From TypeScript sources, where there is no worker file,
 * everything is drawn in this thread.
 */
export const drawTiles = (
  root: string,
  parameters: SynthParameters,
  workers: number | undefined,
  onTile: (tile: WrittenTile) => void,
  signal: AbortSignal,
): Promise<void> => {
  const count = workers ?? processors();
  signal.throwIfAborted();
  return count > 1 && parameters.tiles > 1 && existsSync(fileURLToPath(workerFile))
    ? drawWithWorkers(root, parameters, count, onTile, signal)
    : drawHere(root, parameters, onTile, signal);
};
