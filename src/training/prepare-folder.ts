import { mkdir, readFile, rm } from 'node:fs/promises';
import { flatten } from '../config/override.js';
import type { Experiment } from '../config/schema.js';
import { Fault } from '../fault.js';
import { writeJson } from '../files.js';
import { type RunResult, readResult } from './result.js';
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

/** `model.conv=false (now true)` for each setting that differs; where a run computes is not what it computes. */
export const changedSettings = (before: unknown, now: unknown): string[] => {
  const [old, fresh] = [flatten(before), flatten(now)];
  return [...new Set([...Object.keys(old), ...Object.keys(fresh)])]
    .filter((key) => key !== 'backend' && old[key] !== fresh[key])
    .map((key) => `${key}=${old[key] ?? 'absent'} (now ${fresh[key] ?? 'absent'})`);
};

/**
 * Looks whether a run may be written, before anything costly: a finished one comes back as its result under `resume`.
 *
 * @throws Fault where the folder holds a run and neither option is given, or where `resume` meets other settings
 */
export const inspectFolder = async (
  folder: RunFolder,
  experiment: Experiment,
  { resume, overwrite }: FolderOptions,
): Promise<RunResult | null> => {
  if (overwrite) return null;
  const result = await readResult(folder.result);
  const stored = await storedExperiment(folder.experiment);
  if (stored === null && result === null) return null;
  if (!resume)
    throw new Fault(
      `tag: ${folder.tag}; ${folder.folder} holds ${result ? 'a finished' : 'an unfinished'} run; --resume continues it, --overwrite starts anew, --tag names another`,
    );
  const changed = changedSettings(stored, experiment);
  if (changed.length > 0)
    throw new Fault(
      `--resume: ${folder.tag} was started with ${changed.join(', ')}; use the same settings, or --overwrite`,
    );
  return result;
};

/** Makes a run's folder, an old run removed first under `overwrite`. */
export const createFolder = async (
  folder: RunFolder,
  experiment: Experiment,
  { overwrite }: FolderOptions,
): Promise<void> => {
  if (overwrite) await rm(folder.folder, { recursive: true, force: true });
  await mkdir(folder.checkpoints, { recursive: true });
  await writeJson(folder.experiment, experiment);
};
