import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { resolveExperiment } from '../config/experiment.js';
import type { Experiment } from '../config/schema.js';
import type { TileRecord } from '../evaluation/tile-record.js';
import { Fault } from '../fault.js';
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

/** Reads one run; null where the folder holds none. */
export const readRun = async (tag: string, outputDir?: string): Promise<StoredRun | null> => {
  const folder = runFolder(tag, outputDir);
  const text = await readFile(folder.experiment, 'utf8').catch(() => null);
  if (text === null) return null;
  return { folder, experiment: resolveExperiment(JSON.parse(text)), result: await readResult(folder.result) };
};

/** Every run under a folder of runs, by tag; runs of sweeps (`sweep/trial`) included. */
export const listRuns = async (outputDir = 'outputs'): Promise<StoredRun[]> => {
  const entries = await readdir(outputDir, { withFileTypes: true }).catch(() => []);
  const runs: StoredRun[] = [];
  for (const { name } of entries
    .filter((entry) => entry.isDirectory())
    .sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const run = await readRun(name, outputDir);
    if (run) runs.push(run);
    else
      for (const nested of await readdir(join(outputDir, name), { withFileTypes: true }))
        if (nested.isDirectory()) {
          const trial = await readRun(join(name, nested.name), outputDir);
          if (trial) runs.push(trial);
        }
  }
  return runs;
};

/** Reads runs that must be finished. @throws Fault that names every tag that is missing or unfinished */
export const finishedRuns = async (tags: readonly string[], outputDir?: string): Promise<FinishedRun[]> => {
  const faults: string[] = [];
  const runs: FinishedRun[] = [];
  for (const tag of tags) {
    const run = await readRun(tag, outputDir);
    if (!run) faults.push(`run: ${tag}; no such run under ${outputDir ?? 'outputs'}`);
    else if (!run.result) faults.push(`run: ${tag}; not finished, continue it by train --resume`);
    else runs.push({ ...run, result: run.result, tiles: await readTiles(run.folder.tiles) });
  }
  if (faults.length > 0) throw new Fault(faults);
  return runs;
};
