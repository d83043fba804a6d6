import type { Metric } from './metric.js';

/** Root mean square error. */
export const rmse: Metric = {
  name: 'rmse',
  label: 'RMSE',
  unit: 'data',
  digits: 2,
  columnDigits: 1,
  best: 'low',
  of: ({ n, squared }) => Math.sqrt(squared / n),
};
