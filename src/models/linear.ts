import type { Moments } from '../dataset/statistics.js';
import { makeModel } from './model.js';
import { paperSettings } from './paper-settings.js';

/**
 * The line y = slope·x + intercept of one band. `ols` minimises the vertical residuals (the paper's linear model);
 * `rma`, reduced major axis, takes slope = sign(sxy)·√(syy/sxx). A band without spread in x has slope 1 and the mean
 * difference as intercept; a band without pixels is the identity.
 */
export const fitLine = (
  { n, x, y, xx, xy, yy }: Moments,
  method: 'ols' | 'rma' = 'ols',
): { slope: number; intercept: number } => {
  if (n === 0) return { slope: 1, intercept: 0 };
  const [meanX, meanY] = [x / n, y / n];
  const sxx = xx - n * meanX * meanX;
  const sxy = xy - n * meanX * meanY;
  const syy = yy - n * meanY * meanY;
  const spread = sxx > 1e-12 * Math.max(1, xx);
  const slope = !spread
    ? 1
    : method === 'ols'
      ? sxy / sxx
      : Math.sign(sxy) * Math.sqrt(Math.max(0, syy) / sxx);
  return { slope, intercept: meanY - slope * meanX };
};

/** A line for each band, of that band alone (the paper's linear model). */
export const linear = makeModel({
  kind: 'linear',
  settings: paperSettings,
  fit: ({ settings, sums }) => {
    const lines = sums.bands.map(({ moments }) => fitLine(moments, settings.linear.method));
    return {
      form: 'affine',
      slope: lines.map(({ slope }) => slope),
      intercept: lines.map(({ intercept }) => intercept),
    };
  },
});
