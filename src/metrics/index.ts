import { registry } from '../config/definitions.js';
import { Fault, reason, refuse } from '../fault.js';
import { bias } from './bias.js';
import { bandErrors, type ErrorSums } from './error-sums.js';
import { mae } from './mae.js';
import type { Metric } from './metric.js';
import { r2 } from './r2.js';
import { rmse } from './rmse.js';

const known = registry('metric', 'name', [
  rmse, //
  r2,
  mae,
  bias,
]);

/** Keys that stand beside metrics in records and in `test --json`. */
const taken = ['n', 'bands', 'ndvi', 'skipped', 'split', 'model', 'weights'];

/**
 * Defines a metric: from then on it is in records, in what `test` prints, in tables with intervals and in `--metric`. The
 * same file, or a notebook cell, may define it again.
 *
 * @throws Fault for a malformed name, one that exists already or is a key of the records, and for values of the wrong type
 */
export const defineMetric = (metric: Metric): Metric => {
  const { name, label, digits, best, of } = metric;
  if (taken.includes(name)) throw new Fault(`metric: ${name}; records have such a key, choose another name`);
  refuse([
    ...(typeof of === 'function' ? [] : [`metric: ${name}; has no function \`of\` of the error sums`]),
    ...(typeof label === 'string' && label !== '' ? [] : [`metric: ${name}; has no label`]),
    ...(Number.isInteger(digits) && digits >= 0 && digits <= 20
      ? []
      : [`metric: ${name}, digits: ${digits}; a whole number from 0 to 20`]),
    ...(best === 'low' || best === 'high' || best === null
      ? []
      : [`metric: ${name}, best: ${best}; one of low, high, null`]),
  ]);
  return known.define(metric);
};

/** All metrics: the package's own, then the defined ones. */
export const metrics = known.list;

/** The metric of this name; undefined where there is none. */
export const findMetric = known.get;

/** Whether the package brings the metric of this name. */
export const isBuiltInMetric = known.isBuiltIn;

/** The file that defined the metric of this name, and its digest; null for the package's own and those of notebook cells. */
export const metricOrigin = known.origin;

const fault = (name: string, what: string): Fault =>
  new Fault(
    `metric: ${name}; ${what} (${known.origin(name)?.file ?? 'defined in a notebook cell'}), it must give a number`,
  );

/** The value of a metric, NaN included. @throws Fault where a defined metric throws */
export const metricValue = (metric: Metric, sums: ErrorSums): number => {
  try {
    return metric.of(sums);
  } catch (error) {
    throw fault(metric.name, `it threw "${reason(error)}"`);
  }
};

/**
 * The value of a metric for a score. NaN where n is 0.
 *
 * @param channel whose sums they are, for the message: `band blue`
 * @throws Fault where a defined metric throws, or gives no number for valid pixels
 */
export const scoreOf = (metric: Metric, sums: ErrorSums, channel: string): number => {
  const value = metricValue(metric, sums);
  if (sums.n > 0 && !known.isBuiltIn(metric.name) && (typeof value !== 'number' || Number.isNaN(value)))
    throw fault(metric.name, `it gave ${String(value)} for ${channel}`);
  return value;
};

/** Errors of a few pixels, neither perfect nor constant. */
const plausible = (): ErrorSums => {
  const target = Int16Array.of(310, 480, 905, 1290, 2240, 1775);
  const prediction = Float32Array.of(295, 530.5, 870, 1345, 2190, 1801.25);
  return bandErrors(prediction, { target, mask: new Uint8Array(6).fill(1) }, 0);
};

/**
 * Tries every defined metric on plausible errors, so that a long run does not end with a metric that fails.
 * @throws Fault with a line for each that throws or gives no number
 */
export const checkMetrics = (): void =>
  refuse(
    metrics().flatMap((metric) => {
      try {
        scoreOf(metric, plausible(), 'plausible errors');
        return [];
      } catch (error) {
        if (error instanceof Fault) return error.faults;
        throw error;
      }
    }),
  );
