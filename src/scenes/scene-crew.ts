import { Worker } from 'node:worker_threads';
import { Fault } from '../fault.js';
import { mostThreads, processors } from '../processors.js';
import type { Scene } from './open-scene.js';
import type { SceneRequest } from './scene-request.js';
import { type SceneWork, sceneWork } from './scene-work.js';

/** What a worker begins with: it opens the scene itself. */
export interface SceneWorkerData {
  request: SceneRequest;
  names: readonly string[];
}

export interface SceneCall {
  id: number;
  method: keyof SceneWork;
  args: unknown[];
}

/** A worker's answer: what was asked for, faults, or an error that nobody foresaw. */
export type SceneAnswer = { id: number } & (
  | { result: unknown }
  | { faults: readonly string[]; exitCode: 1 | 2 }
  | { error: string }
);

/** Those who work on a scene. */
export interface SceneCrew {
  hands: number;
  /** Has everybody do something: what all have to know, or what each has gathered. */
  everyone<T>(ask: (work: SceneWork) => Promise<T>): Promise<T[]>;
  /** Has whoever has least to do do something. */
  anyone<T>(ask: (work: SceneWork) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** A scene of fewer samples is done before threads would have started. */
const worthThreads = 8e6;

interface Hand {
  work: SceneWork;
  busy: number;
  stop: () => Promise<void>;
}

const methods = ['count', 'counted', 'plan', 'read', 'align', 'after'] as const;

const startWorker = (data: SceneWorkerData): Hand => {
  // run from source (tests), a thread needs the same loader as an experiment's typed file
  const source = import.meta.url.endsWith('.ts');
  const worker = new Worker(new URL(`./scene-worker.${source ? 'ts' : 'js'}`, import.meta.url), {
    execArgv: source ? ['--import', import.meta.resolve('jiti/register')] : [],
    workerData: data,
  });
  const pending = new Map<number, { resolve: (result: never) => void; reject: (error: unknown) => void }>();
  let ended: unknown;
  const fail = (error: unknown): void => {
    ended ??= error;
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
  };
  worker.on('message', (answer: SceneAnswer) => {
    const call = pending.get(answer.id);
    pending.delete(answer.id);
    if ('result' in answer) call?.resolve(answer.result as never);
    else
      call?.reject('faults' in answer ? new Fault(answer.faults, answer.exitCode) : new Error(answer.error));
  });
  worker.on('error', fail);
  worker.on('exit', (code) => fail(new Error(`a thread of the scene ended (code ${code})`)));
  let next = 0;
  const work = Object.fromEntries(
    methods.map((method) => [
      method,
      (...args: unknown[]) =>
        new Promise((resolve, reject) => {
          if (ended !== undefined) return reject(ended);
          const id = next++;
          pending.set(id, { resolve, reject });
          worker.postMessage({ id, method, args } satisfies SceneCall);
        }),
    ]),
  ) as unknown as SceneWork;
  const stop = async (): Promise<void> => {
    worker.removeAllListeners('exit');
    await worker.terminate();
  };
  return { work, busy: 0, stop };
};

const threadsFor = ({ width, height, bands }: Scene): number => {
  if (width * height * bands.length < worthThreads) return 1;
  const asked = Number(process.env['BANDALIGN_THREADS']);
  return Math.min(Number.isInteger(asked) && asked > 0 ? asked : processors(), mostThreads);
};

/**
 * Those who work on a scene: threads that open it themselves where that pays (BANDALIGN_THREADS of them, else one for each
 * core), else this one.
 */
export const sceneCrew = (
  scene: Scene,
  request: SceneRequest,
  names: readonly string[],
  threads = threadsFor(scene),
): SceneCrew => {
  const crew: Hand[] =
    threads < 2
      ? [{ work: sceneWork(scene), busy: 0, stop: async () => {} }]
      : Array.from({ length: threads }, () => startWorker({ request, names }));
  return {
    hands: crew.length,
    everyone: (ask) => Promise.all(crew.map(({ work }) => ask(work))),
    anyone: async (ask) => {
      const hand = crew.reduce((least, one) => (one.busy < least.busy ? one : least));
      hand.busy++;
      try {
        return await ask(hand.work);
      } finally {
        hand.busy--;
      }
    },
    close: async () => {
      await Promise.all(crew.map(({ stop }) => stop()));
    },
  };
};
