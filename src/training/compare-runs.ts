import type { ComparedModel } from '../evaluation/comparison-table.js';
import { Fault } from '../fault.js';
import { boundOf } from '../models/index.js';
import type { FinishedRun } from './list-runs.js';

/** Runs as rows of a comparison: the records of one split, of one region if asked. @throws Fault when they differ in tiles */
export const comparedModels = (
  runs: readonly FinishedRun[],
  split: 'val' | 'test' = 'test',
  region?: string,
): ComparedModel[] => {
  const models = runs.map(({ result, tiles }) => ({
    label: result.tag,
    bound: boundOf(result.kind),
    converged: result.training?.converged !== false,
    parameters: result.parameters,
    tiles: tiles.filter(
      (record) => record.split === split && (region === undefined || record.region === region),
    ),
  }));
  const first = models[0].tiles.map(({ tile }) => tile).join();
  const other = models.find(({ tiles }) => tiles.map(({ tile }) => tile).join() !== first);
  if (other)
    throw new Fault(
      `run: ${other.label}; it was not tested on the same tiles as ${models[0].label}, so they cannot be compared`,
    );
  return models;
};
