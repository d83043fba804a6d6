import { mkdir, readFile, rm } from 'node:fs/promises';
import { flatten } from '../config/override.js';
import type { Experiment } from '../config/schema.js';
import { Fault } from '../fault.js';
import { writeJson } from '../files.js';
import type { RunResult } from './result.js';
import { readResult } from './result.js';
import type { RunFolder } from './run-folder.js';

/** What `--resume` and `--overwrite` say. */
export interface FolderOptions {
  resume?: boolean;
  overwrite?: boolean;
}

const storedExperiment = async (path: string): Promise<unknown> => {
  const text = await readFile(path, 'utf8').catch(() => null);
  if (text === null) return null;
  try {
    return JSON.parse(text);
  } catch {
    throw new Fault(`run: ${path} is not whole; --overwrite starts the run anew`);
  }
};

/** `model.conv=false (now true)` for each setting that differs. */
export const changedSettings = (before: unknown, now: unknown): string[] => {
  const [old, fresh] = [flatten(before), flatten(now)];
  return [...new Set([...Object.keys(old), ...Object.keys(fresh)])]
    .filter((key) => old[key] !== fresh[key])
    .map((key) => `${key}=${old[key] ?? 'absent'} (now ${fresh[key] ?? 'absent'})`);
};

/**
 * Makes a run's folder ready: new, or continued under `resume`. A finished run comes back as its result under
 * `resume`, is removed under `overwrite`, and is refused otherwise.
 *
 * @throws Fault where the folder holds a run and neither option is given, or where `resume` meets other settings
 */
export const prepareFolder = async (
  folder: RunFolder,
  experiment: Experiment,
  { resume, overwrite }: FolderOptions,
): Promise<RunResult | null> => {
  const result = await readResult(folder.result);
  const stored = await storedExperiment(folder.experiment);
  if (overwrite) await rm(folder.folder, { recursive: true, force: true });
  else if (stored !== null || result !== null) {
    if (!resume)
      throw new Fault(
        `tag: ${folder.tag}; ${folder.folder} holds ${result ? 'a finished' : 'an unfinished'} run; --resume continues it, --overwrite starts anew, --tag names another`,
      );
    const changed = changedSettings(stored, experiment);
    if (changed.length > 0)
      throw new Fault(
        `--resume: ${folder.tag} was started with ${changed.join(', ')}; use the same settings, or --overwrite`,
      );
    if (result) return result;
  }
  await mkdir(folder.checkpoints, { recursive: true });
  await writeJson(folder.experiment, experiment);
  return null;
};
