import type { EpochRecord } from './fit.js';

/** Part of the validation RMSE that may still be gained over the last fifth of a training. */
const settled = 0.01;

/**
 * Whether a training had come to rest: over its last fifth the validation RMSE fell by no more than 1 %. A run that still
 * falls says little of its recipe. Between validations the RMSE is taken to change linearly. Null where that cannot be told:
 * with fewer than two validations, or none before the last fifth.
 */
export const hasConverged = (records: readonly EpochRecord[]): boolean | null => {
  const at = 0.8 * (records.at(-1)?.epoch ?? 0);
  const validated = records.flatMap(({ epoch, val }) => (val ? [{ epoch, rmse: Math.sqrt(val.mse) }] : []));
  const before = validated.filter(({ epoch }) => epoch <= at).at(-1);
  const after = validated.find(({ epoch }) => epoch > at);
  const last = validated.at(-1);
  if (!before || !after || !last) return null;
  const share = (at - before.epoch) / (after.epoch - before.epoch);
  const then = before.rmse + share * (after.rmse - before.rmse);
  return last.rmse >= (1 - settled) * then;
};
