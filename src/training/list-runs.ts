import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { didYouMean } from '../config/spelling.js';
import type { TileRecord } from '../evaluation/tile-record.js';
import type { Experiment } from '../experiments/experiment.js';
import { readExperiment } from '../experiments/experiment.js';
import { Fault, reason } from '../fault.js';
import { type RunResult, readResult, readTiles } from './result.js';
import { type RunFolder, runFolder } from './run-folder.js';

/** A run's folder and what it holds; `result` is null while it is not finished. */
export interface StoredRun {
  folder: RunFolder;
  experiment: Experiment;
  result: RunResult | null;
}

/** A finished run with its per-tile records. */
export interface FinishedRun extends StoredRun {
  result: RunResult;
  tiles: TileRecord[];
}

const storedExperiment = (text: string, { tag, experiment: path }: RunFolder): Experiment => {
  try {
    return readExperiment(JSON.parse(text));
  } catch (error) {
    throw new Fault(`run: ${tag}; ${path} cannot be read (${reason(error)}), mend or remove it`);
  }
};

/**
 * Reads one run; null where the folder holds none.
 * @throws Fault for a configuration that is cut or of another version
 */
export const readRun = async (tag: string, outputDir?: string): Promise<StoredRun | null> => {
  const folder = runFolder(tag, outputDir);
  let text: string;
  try {
    // at once: for a small file a promise takes ten times as long, and thousands of runs are listed
    text = readFileSync(folder.experiment, 'utf8');
  } catch {
    return null;
  }
  return { folder, experiment: storedExperiment(text, folder), result: await readResult(folder.result) };
};

/**
 * Every run under a folder of runs, by tag; runs of sweeps (`sweep/trial`) included.
 * @param onFault hears of runs that cannot be read, which are left out
 */
export const listRuns = async (
  outputDir = 'outputs',
  onFault: (text: string) => void = () => {},
): Promise<StoredRun[]> => {
  const read = async (tag: string): Promise<StoredRun | null> => {
    try {
      return await readRun(tag, outputDir);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      error.faults.forEach(onFault);
      return null;
    }
  };
  const entries = await readdir(outputDir, { withFileTypes: true }).catch(() => []);
  const runsIn = async (name: string): Promise<StoredRun[]> => {
    const run = await read(name);
    if (run) return [run];
    const nested = await readdir(join(outputDir, name), { withFileTypes: true });
    const trials = nested
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort()
      .map((trial) => read(join(name, trial)));
    return (await Promise.all(trials)).filter((trial) => trial !== null);
  };
  const names = entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
  const runs: StoredRun[] = [];
  // some at a time: one after the other waits for the disk, all at once runs out of file handles
  for (let first = 0; first < names.length; first += 64)
    runs.push(...(await Promise.all(names.slice(first, first + 64).map(runsIn))).flat());
  return runs;
};

/** Tags of the runs under a folder, those of sweeps (`sweep/trial`) included; nothing of them is read. */
const tagsUnder = async (outputDir: string): Promise<string[]> => {
  const foldersIn = async (folder: string): Promise<string[]> =>
    (await readdir(folder, { withFileTypes: true }).catch(() => []))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
  const isRun = (tag: string): boolean => existsSync(runFolder(tag, outputDir).experiment);
  const tags: string[] = [];
  for (const name of await foldersIn(outputDir)) {
    if (isRun(name)) tags.push(name);
    else for (const trial of await foldersIn(join(outputDir, name))) tags.push(`${name}/${trial}`);
  }
  return tags.filter(isRun);
};

/** The fault of a tag that no run has, with the tag that may be meant. `what` is what named it: `run`, `--run`. */
export const noSuchRun = async (what: string, tag: string, outputDir = 'outputs'): Promise<string> =>
  `${what}: ${tag}; ${didYouMean(tag, await tagsUnder(outputDir))}no such run under ${outputDir}`;

/** Reads runs that must be finished. @throws Fault that names every tag that is missing or unfinished */
export const finishedRuns = async (tags: readonly string[], outputDir?: string): Promise<FinishedRun[]> => {
  const faults: string[] = [];
  const runs: FinishedRun[] = [];
  for (const tag of tags) {
    const run = await readRun(tag, outputDir);
    if (!run) faults.push(await noSuchRun('run', tag, outputDir));
    else if (!run.result) faults.push(`run: ${tag}; not finished, continue it by train --resume`);
    else runs.push({ ...run, result: run.result, tiles: await readTiles(run.folder.tiles) });
  }
  if (faults.length > 0) throw new Fault(faults);
  return runs;
};
