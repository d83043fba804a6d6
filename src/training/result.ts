import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Score, TileRecord } from '../evaluation/tile-record.js';
import { Fault } from '../fault.js';

/** What `result.json` says of a finished run. */
export interface RunResult {
  tag: string;
  name: string;
  /** Kind of the model. */
  kind: string;
  seed: number;
  finished: string;
  /** Wall-clock seconds of the process that finished it; `metrics.jsonl` has those of each epoch. */
  seconds: number;
  data: { root: string; digest: string; train: number; val: number; test: number; skipped: number };
  /** Trainable values; null for a bound, which has none of its own. */
  parameters: number | null;
  training: {
    epochs: number;
    steps: number;
    bestEpoch: number;
    trainMse: number;
    /** Whether the validation error had come to rest (see `hasConverged`); null where too few validations tell. */
    converged?: boolean | null;
  } | null;
  /** File under the run folder and its SHA-256; null for a model that keeps none. */
  weights: { file: string; digest: string } | null;
  scores: { val: Score; test: Score };
}

/** Reads a run's result; null where there is none or it is not whole: the run is not finished then. */
export const readResult = async (path: string): Promise<RunResult | null> => {
  try {
    const result = JSON.parse(readFileSync(path, 'utf8')) as RunResult;
    return typeof result.tag === 'string' && result.scores?.test !== undefined ? result : null;
  } catch {
    return null;
  }
};

/**
 * Compares a weights file in a finished run's folder with the digest in the run's `result.json`; other files have none.
 * @param digest SHA-256 of the file
 * @throws Fault where they differ
 */
export const checkRunWeights = async (path: string, digest: string): Promise<void> => {
  if (basename(dirname(path)) !== 'checkpoints') return;
  const resultFile = join(dirname(dirname(path)), 'result.json');
  const weights = (await readResult(resultFile))?.weights;
  if (weights && basename(weights.file) === basename(path) && weights.digest !== digest)
    throw new Fault(
      `weights: ${path}; SHA-256 ${digest.slice(0, 12)}… is not the ${weights.digest.slice(0, 12)}… that ${resultFile} records: restore the file, or make the run anew with --overwrite`,
    );
};

/** Reads JSON lines, a torn last line left out. */
export const readLines = async <T>(path: string): Promise<T[]> => {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '';
    throw error;
  });
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);
};

/** The per-tile records of a finished run. */
export const readTiles = (path: string): Promise<TileRecord[]> => readLines<TileRecord>(path);
