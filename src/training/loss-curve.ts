import type { EpochRecord } from './fit.js';
import type { StoredRun } from './list-runs.js';
import { readLines } from './result.js';

/**
 * The errors of a run by epoch, from its log: mean training MSE of each epoch and MSE of each validation, stored
 * units². Empty for models that are not trained.
 *
 * @param label how the curve is named in a figure; the run's tag by default
 */
export const lossCurveOf = async (run: StoredRun, label: string = run.folder.tag) => {
  const records = await readLines<EpochRecord>(run.folder.metrics);
  const validated = records.flatMap(({ epoch, val }) => (val ? [{ epoch, mse: val.mse }] : []));
  return {
    label,
    epochs: records.map(({ epoch }) => epoch),
    train: records.map(({ mse }) => mse),
    validated: validated.map(({ epoch }) => epoch),
    val: validated.map(({ mse }) => mse),
  };
};
