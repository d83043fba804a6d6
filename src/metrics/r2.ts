import type { Metric } from './metric.js';

/**
 * Coefficient of determination, 1 − SSE/SST over all pixels together (not a mean over images). −∞ or NaN where the target is
 * constant.
 */
export const r2: Metric = {
  name: 'r2',
  label: 'R²',
  digits: 4,
  best: 'high',
  pooledOnly: true,
  of: ({ n, squared, target, targetSquared }) => 1 - squared / (targetSquared - (target * target) / n),
};
