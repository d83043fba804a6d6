import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, reason } from '../fault.js';
import { makeFolder, writeJson } from '../files.js';
import { withLock } from '../lock.js';
import type { OnProgress } from '../progress.js';
import { applyOne, type SceneResult } from '../scenes/apply-list.js';
import type { ApplyContext } from '../scenes/apply-scene.js';
import { isApplied } from '../scenes/scene-fingerprint.js';
import { removeFailure, writeFailure } from './failure.js';
import type { SceneListFolder, SceneTask } from './scene-manifest.js';

/** What a scene's process leaves of its success. */
export type ListedResult = Pick<SceneResult, 'seconds' | 'warnings'>;

const resultFile = (place: SceneListFolder, task: SceneTask): string =>
  join(place.scene(task), 'result.json');

/** The result of a scene whose outputs are there, whole and of this request; else null. */
export const listedResult = async (
  place: SceneListFolder,
  task: SceneTask,
  aligner: ApplyContext['aligner'],
): Promise<ListedResult | null> => {
  try {
    const result = JSON.parse(await readFile(resultFile(place, task), 'utf8')) as ListedResult;
    return (await isApplied(task.request, aligner)) ? result : null;
  } catch {
    return null;
  }
};

const stateFault = (folder: string, error: unknown): unknown =>
  error instanceof Fault
    ? error
    : new Fault(
        `list: ${folder}; cannot be written (${reason(error)}); mend that, or choose another --out`,
        1,
        {
          cause: error,
        },
      );

/**
 * Aligns one scene of a list, or does nothing where it is done. A lock keeps a process that outlives its list by moments, or
 * that another list started, from writing the same scene at the same time.
 * @throws Fault with everything wrong with the scene
 */
export const applyListed = async (
  place: SceneListFolder,
  task: SceneTask,
  context: Omit<ApplyContext, 'onProgress'> & { onProgress: OnProgress; onNote: (text: string) => void },
): Promise<void> => {
  const folder = place.scene(task);
  const { onNote, ...rest } = context;
  await makeFolder(folder).catch((error) => {
    throw stateFault(folder, error);
  });
  await withLock(
    join(folder, 'lock'),
    async () => {
      await removeFailure(folder);
      const { status, seconds, warnings, faults } = await applyOne(task.request, rest);
      if (status === 'failed') {
        await writeFailure(folder, faults);
        throw new Fault(faults, 1);
      }
      await writeJson(resultFile(place, task), { seconds, warnings } satisfies ListedResult);
    },
    {
      onHeld: (owner) => onNote(`${task.tag}: another process is still aligning it (${owner}); waiting`),
      signal: context.signal,
      fault: (error) => stateFault(folder, error),
    },
  );
};

/** Removes what an earlier attempt said. */
export const clearListed = async (place: SceneListFolder, task: SceneTask): Promise<void> => {
  await removeFailure(place.scene(task));
  await rm(resultFile(place, task), { force: true });
};
