import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { flatten } from '../config/override.js';
import type { Experiment } from '../experiments/experiment.js';
import { Fault, reason } from '../fault.js';
import { isTemporary, writeJson } from '../files.js';
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

/** Names of which a run's folder holds one at least, from its first moments on. */
const ofRun = new Set(['experiment.json', 'result.json', 'run.json', 'checkpoints']);

/** Nothing that is no run is removed, whatever `--tag` and `--output-dir` name. */
const checkOverwrite = async ({ folder, tag }: RunFolder): Promise<void> => {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException): string[] => {
    if (error.code === 'ENOENT') return [];
    throw new Fault(`tag: ${tag}; ${folder} cannot be read (${reason(error)}), --tag names another`);
  });
  if (names.length > 0 && !names.some((name) => ofRun.has(name)))
    throw new Fault(
      `--overwrite: ${tag}; ${folder} holds ${names.slice(0, 3).join(', ')} and no run: --tag names another`,
    );
};

/**
 * Looks whether a run may be written, before anything costly: a finished one comes back as its result under `resume`.
 *
 * @throws Fault where the folder holds a run and neither option is given, where `resume` meets other settings, or where
 *   `overwrite` would remove what is no run
 */
export const inspectFolder = async (
  folder: RunFolder,
  experiment: Experiment,
  { resume, overwrite }: FolderOptions,
): Promise<RunResult | null> => {
  if (overwrite) {
    await checkOverwrite(folder);
    return null;
  }
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

/** Makes a run's folder: an old run is removed first under `overwrite`, else only what a killed process was just writing. */
export const createFolder = async (
  folder: RunFolder,
  experiment: Experiment,
  { overwrite }: FolderOptions,
): Promise<void> => {
  if (overwrite) {
    // a result would vouch for files that are gone
    await rm(folder.result, { force: true });
    await rm(folder.folder, { recursive: true, force: true });
  }
  await mkdir(folder.checkpoints, { recursive: true });
  for (const place of [folder.folder, folder.checkpoints])
    for (const name of await readdir(place))
      if (isTemporary(name)) await rm(join(place, name), { force: true });
  await writeJson(folder.experiment, experiment);
};
