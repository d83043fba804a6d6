import type { Metric } from './metric.js';

/** Mean absolute error. */
export const mae: Metric = {
  name: 'mae',
  label: 'MAE',
  unit: 'data',
  digits: 2,
  best: 'low',
  columns: false,
  of: ({ n, absolute }) => absolute / n,
};
