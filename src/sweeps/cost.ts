import { rm } from 'node:fs/promises';
import { openCache } from '../dataset/cache.js';
import { patchHistograms } from '../dataset/histogram-source.js';
import { openDataset } from '../dataset/layout.js';
import { sumRows } from '../dataset/statistics-table.js';
import type { Experiment } from '../experiments/experiment.js';
import { digest } from '../files.js';
import { modelOf } from '../models/index.js';
import { type EpochRecord, fitWeights } from '../training/fit.js';
import { listRuns } from '../training/list-runs.js';
import { contextOf, freshState, networkConstants, networkLayout } from '../training/network.js';
import { openStepper } from '../training/open-stepper.js';
import { readLines } from '../training/result.js';
import type { RunFolder } from '../training/run-folder.js';
import type { Trial } from './expand.js';
import type { Manifest, SweepFolder } from './manifest.js';

/** What a trial costs. Closed forms take no steps; their cost is the test pass. */
export interface TrialCost {
  trial: Trial;
  finished: boolean;
  steps: number;
  /** null for closed forms. */
  msPerStep: number | null;
  /** Where `msPerStep` is from. */
  from: 'finished runs' | 'timed now' | null;
  /** Steps × ms, in seconds; null for closed forms. */
  seconds: number | null;
}

/** Everything that a step's time depends on, the machine and the patches' size aside. */
const stepKey = ({ data, model, train }: Experiment): string =>
  digest(JSON.stringify([data.bands.length, model, train.batchSize]));

/** ms per step of the epochs that a run has logged, the first left out where there are more; null where none is. */
const loggedMs = async (folder: RunFolder): Promise<number | null> => {
  const records = await readLines<EpochRecord>(folder.metrics);
  const first = records.length > 1 ? 1 : 0;
  const steps = (records.at(-1)?.step ?? 0) - (first ? records[0].step : 0);
  const seconds = records.slice(first).reduce((sum, record) => sum + record.seconds, 0);
  return steps > 0 ? (1000 * seconds) / steps : null;
};

/** ms per step by {@link stepKey}, of the first run of each kind that says it. */
const loggedSteps = async (
  runs: readonly { experiment: Experiment; folder: RunFolder }[],
): Promise<Map<string, number>> => {
  const found = new Map<string, number>();
  for (const { experiment, folder } of runs) {
    const key = stepKey(experiment);
    if (found.has(key)) continue;
    const ms = await loggedMs(folder);
    if (ms !== null) found.set(key, ms);
  }
  return found;
};

/** Steps that are timed, after the first two: those load kernels and fill caches. */
const timedSteps = 5;
const warmUpSteps = 2;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/**
 * Times a few training steps on the first training patches of a dataset, on this machine as it is now; nothing else of the
 * dataset is read and nothing is kept.
 *
 * @returns ms per step, the median of five
 */
const measureStep = async (
  experiment: Experiment,
  root: string,
  { divide, signal }: { divide?: string; signal?: AbortSignal } = {},
): Promise<number> => {
  const { data, model, train, split } = experiment;
  const dataset = await openDataset(root, data, { divide, split });
  const patches = dataset.lists.train.slice(0, train.batchSize);
  const cache = await openCache({
    dataset: { all: patches },
    data,
    knots: model.knots,
    pixels: true,
    signal,
  });
  try {
    const { table, pixels } = cache;
    const { counts } = await patchHistograms(root, table, data);
    const rows = table.ids.map((_, row) => row);
    const count = (warmUpSteps + timedSteps) * train.batchSize;
    const layout = networkLayout(experiment);
    const histogram = (row: number): Float64Array => counts.get(table.ids[row])!;
    const constants = networkConstants(experiment, {
      ...contextOf(experiment),
      sums: sumRows(table, rows),
      patches: {
        table,
        rows: { train: rows, val: rows },
        histogram,
        tileHistogram: (tile) => histogram(table.tiles.indexOf(tile)),
        patch: (row) => ({ histogram: histogram(row) }),
        tile: (tile) => ({ histogram: histogram(table.tiles.indexOf(tile)) }),
        sum: (some) => sumRows(table, some),
      },
    });
    const times: number[] = [];
    let last = performance.now();
    await fitWeights({
      experiment: { ...experiment, train: { ...train, epochs: 1, shuffle: false } },
      stepper: await openStepper(experiment, layout),
      constants,
      table,
      rows: Array.from({ length: count }, (_, i) => rows[i % rows.length]),
      histogram,
      pixels: layout.conv ? (batches, allocate) => pixels!.readAhead(batches, 2, allocate) : null,
      validate: async () => ({ mse: 0, rmse: [] }),
      state: freshState(experiment, layout),
      onEpoch: async () => {},
      onProgress: () => {
        times.push(performance.now() - last);
        last = performance.now();
      },
      signal,
    });
    return median(times.slice(warmUpSteps));
  } finally {
    await cache.close();
    await rm(cache.folder, { recursive: true, force: true });
  }
};

/** Optimiser steps of a trial on `patches` training patches. */
export const stepsOf = (experiment: Experiment, patches: number): number => {
  const { epochs, batchSize } = experiment.train;
  return modelOf(experiment).network ? epochs * Math.ceil(patches / batchSize) : 0;
};

const trainingPatches = async (experiment: Experiment, root: string, divide?: string): Promise<number> =>
  (await openDataset(root, experiment.data, { divide, split: experiment.split })).lists.train.length;

/** What a trial takes as far as other trials of the sweep have shown it, in seconds; null where none has. */
export const measuredSeconds = async (
  { trials, data }: Manifest,
  place: SweepFolder,
): Promise<(trial: Trial) => number | null> => {
  const logged = await loggedSteps(
    trials.map((trial) => ({ experiment: trial.experiment, folder: place.trial(trial) })),
  );
  const patches = new Map<string, number>();
  for (const { experiment } of trials) {
    const key = JSON.stringify(experiment.split);
    if (!patches.has(key))
      patches.set(key, await trainingPatches(experiment, data.root, data.divide ?? undefined));
  }
  return ({ experiment }) => {
    const ms = logged.get(stepKey(experiment));
    return ms === undefined
      ? null
      : (stepsOf(experiment, patches.get(JSON.stringify(experiment.split))!) * ms) / 1000;
  };
};

/**
 * What a sweep costs: steps of each trial, and the time of a step from runs under `outputDir` that made the same steps, else
 * timed here and now.
 */
export const sweepCost = async (
  trials: readonly Trial[],
  root: string,
  options: {
    divide?: string;
    outputDir?: string;
    signal?: AbortSignal;
    isFinished: (trial: Trial) => Promise<boolean>;
  },
): Promise<TrialCost[]> => {
  const logged = await loggedSteps(await listRuns(options.outputDir));
  const timed = new Map<string, number>();
  const costs: TrialCost[] = [];
  for (const trial of trials) {
    const { experiment } = trial;
    const finished = await options.isFinished(trial);
    const steps = stepsOf(experiment, await trainingPatches(experiment, root, options.divide));
    if (steps === 0) {
      costs.push({ trial, finished, steps, msPerStep: null, from: null, seconds: null });
      continue;
    }
    const key = stepKey(experiment);
    const known = logged.get(key);
    if (known === undefined && !timed.has(key)) timed.set(key, await measureStep(experiment, root, options));
    const msPerStep = known ?? timed.get(key)!;
    const from = known === undefined ? 'timed now' : 'finished runs';
    costs.push({ trial, finished, steps, msPerStep, from, seconds: (steps * msPerStep) / 1000 });
  }
  return costs;
};
