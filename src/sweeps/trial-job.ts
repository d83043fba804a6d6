import { modelOf } from '../models/index.js';
import { readResult } from '../training/result.js';
import { measuredSeconds } from './cost.js';
import type { Job } from './executor.js';
import type { Trial } from './expand.js';
import { readFailure, removeFailure } from './failure.js';
import type { Manifest, SweepFolder } from './manifest.js';
import { runTrial } from './run-trial.js';

/** What a model with a closed form takes at most, about, start included. Seconds. */
const closedFormSeconds = 20;

export const isDone = async (place: SweepFolder, trial: Trial): Promise<boolean> =>
  (await readResult(place.trial(trial).result)) !== null;

/** Trials of a sweep as tasks of an executor. */
export const trialJob = (
  manifest: Manifest,
  place: SweepFolder,
): Omit<Job<Trial>, 'tasks' | 'jobs' | 'onEvent' | 'onNote' | 'signal'> => ({
  name: manifest.name,
  fingerprint: manifest.fingerprint,
  folder: place.folder,
  milestone: { files: '*.safetensors', what: 'epoch', resumesFrom: 'from the last checkpoint' },
  words: ['run-trial', '--manifest', place.manifest],
  log: place.log,
  outcome: async (trial) => {
    if (await isDone(place, trial)) return { kind: 'finished' };
    const reasons = await readFailure(place.trial(trial).folder);
    return reasons && { kind: 'failed', reasons };
  },
  clearFailure: (trial) => removeFailure(place.trial(trial).folder),
  run: async (trial, context) => {
    await runTrial({ manifest, folder: place.folder, trial, ...context });
  },
  seconds: async () => {
    const measured = await measuredSeconds(manifest, place);
    return (trial) => (modelOf(trial.experiment).network ? measured(trial) : closedFormSeconds);
  },
});
