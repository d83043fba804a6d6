import type { EpochRecord } from './fit.js';

/** Part of the validation RMSE that may still be gained over the last fifth of a training. */
const settled = 0.01;

/**
 * Whether a training had come to rest: over its last fifth the validation RMSE fell by no more than 1 %. A run that still
 * falls says little of its recipe. Null with too few validations to tell: at least one in the last fifth and one before.
 */
export const hasConverged = (records: readonly EpochRecord[]): boolean | null => {
  const epochs = records.at(-1)?.epoch ?? 0;
  const validated = records.flatMap(({ epoch, val }) => (val ? [{ epoch, rmse: Math.sqrt(val.mse) }] : []));
  const before = validated.filter(({ epoch }) => epoch <= 0.8 * epochs).at(-1);
  const last = validated.at(-1);
  if (!before || !last || last.epoch <= before.epoch) return null;
  return last.rmse >= (1 - settled) * before.rmse;
};
