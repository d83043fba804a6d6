import { Fault, reason } from '../fault.js';
import type { OnProgress } from '../progress.js';
import { type ApplyContext, applyScene } from './apply-scene.js';
import { isApplied } from './scene-fingerprint.js';
import type { SceneRequest } from './scene-request.js';

/** One line of a list's result. */
export interface SceneResult {
  scene: string;
  out: string;
  /** `kept`: carried out before, by the same weights, input and options. */
  status: 'done' | 'kept' | 'failed';
  seconds: number;
  warnings: string[];
  /** Every fault of a failed scene. */
  faults: string[];
}

/**
 * Aligns one scene and never throws but for an abort: what a worker of any executor calls. A scene that an earlier
 * run finished is kept.
 */
export const applyOne = async (request: SceneRequest, context: ApplyContext): Promise<SceneResult> => {
  const started = performance.now();
  const result = (status: SceneResult['status'], more: Partial<SceneResult> = {}): SceneResult => ({
    scene: request.inputs.join(' '),
    out: request.out,
    status,
    seconds: (performance.now() - started) / 1000,
    warnings: [],
    faults: [],
    ...more,
  });
  try {
    if (await isApplied(request, context.aligner)) return result('kept');
    const { warnings } = await applyScene(request, context);
    return result('done', { warnings });
  } catch (error) {
    if (context.signal?.aborted) throw error;
    return result('failed', { faults: error instanceof Fault ? [...error.faults] : [reason(error)] });
  }
};

interface ListContext extends Omit<ApplyContext, 'onProgress'> {
  /** Scenes at a time. @default 1: one scene already uses several cores */
  jobs?: number;
  onProgress?: OnProgress;
  /** Called as each scene ends. */
  onResult?: (result: SceneResult) => void;
}

/** Aligns many scenes; one that fails does not stop the others. Results come in the order of the requests. */
export const applyList = async (
  requests: readonly SceneRequest[],
  context: ListContext,
): Promise<SceneResult[]> => {
  const { jobs = 1, onProgress, onResult, ...rest } = context;
  const results: SceneResult[] = [];
  const queue = requests.entries();
  let done = 0;
  const work = async (): Promise<void> => {
    for (const [index, request] of queue) {
      rest.signal?.throwIfAborted();
      results[index] = await applyOne(request, rest);
      onProgress?.({ stage: 'scenes', done: ++done, total: requests.length, unit: 'scenes' });
      onResult?.(results[index]);
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: Math.min(jobs, requests.length) }, work));
  for (const worker of workers) if (worker.status === 'rejected') throw worker.reason;
  return results;
};
