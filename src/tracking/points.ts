import { gapClosed } from '../evaluation/comparison-table.js';
import { meanRmse, type Score } from '../evaluation/tile-record.js';
import type { Experiment } from '../experiments/experiment.js';
import type { GapEnds } from '../training/gap-ends.js';
import type { RunResult } from '../training/result.js';
import type { ServerMetric } from './client.js';

/** A metric's name, with sections between slashes, and its value. */
type Value = [name: string, value: number];

/** A number that JSON cannot hold is null in a log. */
const numberOf = (value: unknown): number | undefined => {
  if (typeof value === 'number') return value;
  if (value === null) return Number.NaN;
  return typeof value === 'string' && /^(NaN|-?Infinity)$/.test(value) ? Number(value) : undefined;
};

/** Every number in `tree` by its path; an array with a value for each band is named by them. */
const numbersIn = (tree: unknown, name: string, bands: readonly string[]): Value[] => {
  const value = numberOf(tree);
  if (value !== undefined) return [[name, value]];
  if (typeof tree !== 'object' || tree === null) return [];
  const keyOf = (key: string): string =>
    Array.isArray(tree) && tree.length === bands.length ? bands[Number(key)] : key;
  return Object.entries(tree).flatMap(([key, child]) => numbersIn(child, `${name}/${keyOf(key)}`, bands));
};

const at = (values: readonly Value[], step: number, timestamp: number): ServerMetric[] =>
  values.map(([key, value]) => ({ key, value, timestamp, step }));

/** A line of `metrics.jsonl` or `system.jsonl`: whatever numbers it holds. */
export interface LoggedLine {
  epoch?: number;
  step: number;
  /** ISO; absent in folders of earlier versions. */
  time?: string;
  val?: unknown;
  [key: string]: unknown;
}

/** An epoch: `train/loss`, `train/lr`, `val/rmse/blue` … */
export const epochPoints = (
  { epoch, step, time: _, val, ...rest }: LoggedLine,
  bands: readonly string[],
  timestamp: number,
): ServerMetric[] =>
  at([...numbersIn(rest, 'train', bands), ...numbersIn(val, 'val', bands)], epoch ?? step, timestamp);

/** A sample of the machine: `system/cpu_utilization_percentage` … */
export const systemPoints = ({ step, time: _, ...rest }: LoggedLine, timestamp: number): ServerMetric[] =>
  at(numbersIn(rest, 'system', []), step, timestamp);

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

/** Pixel counts say nothing of a model. */
const counts = new Set(['n', 'skipped']);

const scoreValues = (score: Score, split: string, bands: readonly string[]): Value[] => {
  const metrics = (of: object | undefined): [string, unknown][] =>
    Object.entries(of ?? {}).filter(([key]) => !counts.has(key));
  return metrics(score.bands[0]).flatMap(([metric]): Value[] => {
    const values = score.bands.map(
      (band) => numberOf((band as unknown as Record<string, unknown>)[metric]) ?? Number.NaN,
    );
    const index = numberOf((score.ndvi as unknown as Record<string, unknown> | null)?.[metric]);
    return [
      [`${split}/${metric}/mean`, mean(values)],
      ...values.map((value, band): Value => [`${split}/${metric}/${bands[band]}`, value]),
      ...(score.ndvi && index !== undefined ? [[`${split}/${metric}/ndvi`, index] as Value] : []),
    ];
  });
};

/**
 * Scores of a finished run, at its last epoch: `test/rmse/mean` and `test/gap_closed` (0 at the global LUT, 1 at the
 * oracle) first, then every metric by band; those of the validation list under `val_best/`, since `val/` is the epochs'.
 */
export const scorePoints = (result: RunResult, { data }: Experiment, gap: GapEnds | null): ServerMetric[] => {
  const error = meanRmse(result.scores.test);
  const values: Value[] = [
    ['test/rmse/mean', error],
    ...(gap ? [['test/gap_closed', gapClosed(error, gap.reference, gap.bound)] as Value] : []),
    ...scoreValues(result.scores.test, 'test', data.bands),
    ...scoreValues(result.scores.val, 'val_best', data.bands),
    ['run/seconds', result.seconds],
    ...(result.parameters === null ? [] : [['run/parameters', result.parameters] as Value]),
  ];
  return at([...new Map(values)], result.training?.epochs ?? 0, Date.parse(result.finished));
};
