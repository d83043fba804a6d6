import type { EpochRecord } from './fit.js';

/** Part of the RMSE that may still be gained over the last fifth of a training. */
const settled = 0.01;

/** Epochs from which the training error says something of its own fall. */
const fewestEpochs = 5;

/** Whether an error fell by no more than that after epoch `at`; between two looks it is taken to change linearly. */
const hasSettled = (looks: readonly { epoch: number; mse: number }[], at: number): boolean | null => {
  const before = looks.filter(({ epoch }) => epoch <= at).at(-1);
  const after = looks.find(({ epoch }) => epoch > at);
  const last = looks.at(-1);
  if (!before || !after || !last) return null;
  const share = (at - before.epoch) / (after.epoch - before.epoch);
  const then = (1 - share) * Math.sqrt(before.mse) + share * Math.sqrt(after.mse);
  return Math.sqrt(last.mse) >= (1 - settled) * then;
};

/**
 * Whether a training had come to rest: over its last fifth the validation RMSE fell by no more than 1 %. A run that still
 * falls says little of its recipe. Where validations are too few to tell, the training RMSE does, from five epochs on; null
 * where neither can.
 */
export const hasConverged = (records: readonly EpochRecord[]): boolean | null => {
  const epochs = records.at(-1)?.epoch ?? 0;
  const validated = records.flatMap(({ epoch, val }) => (val ? [{ epoch, mse: val.mse }] : []));
  return (
    hasSettled(validated, 0.8 * epochs) ?? (epochs >= fewestEpochs ? hasSettled(records, 0.8 * epochs) : null)
  );
};
