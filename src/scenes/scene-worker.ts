import { parentPort, workerData } from 'node:worker_threads';
import { Fault, reason } from '../fault.js';
import { openScene } from './open-scene.js';
import type { SceneAnswer, SceneCall, SceneWorkerData } from './scene-crew.js';
import { type AlignedPart, type SceneWork, sceneWork } from './scene-work.js';

const { request, names } = workerData as SceneWorkerData;
const work = openScene(request, names).then(sceneWork);
// told when the first call comes
work.catch(() => {});

/** Memory that changes hands instead of being copied. */
const transferred = (method: keyof SceneWork, result: unknown): ArrayBuffer[] =>
  method !== 'align'
    ? []
    : Object.values(result as AlignedPart).flatMap(({ tiles, halved }) => [
        ...tiles.flatMap((tile) => (tile ? [tile.buffer] : [])),
        ...halved.map(({ buffer }) => buffer as ArrayBuffer),
      ]);

/** The runtime of a thread that works on a scene for `sceneCrew`. */
parentPort?.on('message', async ({ id, method, args }: SceneCall) => {
  const answer = (message: SceneAnswer, transfer: ArrayBuffer[] = []): void =>
    parentPort?.postMessage(message, transfer);
  try {
    const call = (await work)[method] as (...words: unknown[]) => Promise<unknown>;
    const result = await call(...args);
    answer({ id, result }, transferred(method, result));
  } catch (error) {
    if (error instanceof Fault) answer({ id, faults: error.faults, exitCode: error.exitCode });
    else answer({ id, error: error instanceof Error ? (error.stack ?? reason(error)) : reason(error) });
  }
});
