import type { Metric } from './metric.js';

/** Mean error, prediction − target. */
export const bias: Metric = {
  name: 'bias',
  label: 'bias',
  unit: 'data',
  digits: 2,
  best: null,
  columns: false,
  of: ({ n, error }) => error / n,
};
