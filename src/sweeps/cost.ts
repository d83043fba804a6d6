import type { Experiment } from '../experiments/experiment.js';
import { openDataset } from '../dataset/layout.js';
import { digest } from '../files.js';
import type { EpochRecord } from '../training/fit.js';
import { listRuns } from '../training/list-runs.js';
import { readLines } from '../training/result.js';
import type { RunFolder } from '../training/run-folder.js';
import type { Trial } from './expand.js';
import type { Manifest, SweepFolder } from './manifest.js';
import { timeSteps } from './time-steps.js';

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
  digest(JSON.stringify([data.bands.length, model.knots, model.conv, model.unet, train.batchSize]));

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
    if (experiment.model.kind !== 'unet-lut' || found.has(key)) continue;
    const ms = await loggedMs(folder);
    if (ms !== null) found.set(key, ms);
  }
  return found;
};

/** Optimiser steps of a trial on `patches` training patches. */
export const stepsOf = ({ model, train }: Experiment, patches: number): number =>
  model.kind === 'unet-lut' ? train.epochs * Math.ceil(patches / train.batchSize) : 0;

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
    if (known === undefined && !timed.has(key)) timed.set(key, await timeSteps(experiment, root, options));
    const msPerStep = known ?? timed.get(key)!;
    const from = known === undefined ? 'timed now' : 'finished runs';
    costs.push({ trial, finished, steps, msPerStep, from, seconds: (steps * msPerStep) / 1000 });
  }
  return costs;
};
