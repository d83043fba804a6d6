import type { Tracker } from '../tracking/tracker.js';
import { readResult } from '../training/result.js';
import { readTrackingNote, trackingFile } from '../training/tracked-run.js';
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

/** Finished, and nothing left to record of it. */
export const isComplete = async (place: SweepFolder, trial: Trial, track: boolean): Promise<boolean> => {
  if (!(await isDone(place, trial))) return false;
  if (!track) return true;
  return (await readTrackingNote(trackingFile(place.trial(trial).folder)))?.complete !== false;
};

/** Trials of a sweep as tasks of an executor. */
export const trialJob = (
  manifest: Manifest,
  place: SweepFolder,
  tracker: Tracker | null,
): Omit<Job<Trial>, 'tasks' | 'jobs' | 'onEvent' | 'onNote' | 'signal'> => ({
  name: manifest.name,
  fingerprint: manifest.fingerprint,
  folder: place.folder,
  milestone: { files: '*.safetensors', what: 'epoch', resumesFrom: 'from the last checkpoint' },
  words: ['run-trial', '--manifest', place.manifest, ...(tracker ? [] : ['--no-track'])],
  log: place.log,
  outcome: async (trial, running) => {
    if (await isDone(place, trial))
      // what is left to record of it is recorded by its process
      return !running || (await isComplete(place, trial, tracker !== null)) ? { kind: 'finished' } : null;
    const reasons = await readFailure(place.trial(trial).folder);
    return reasons && { kind: 'failed', reasons };
  },
  clearFailure: (trial) => removeFailure(place.trial(trial).folder),
  run: async (trial, context) => {
    await runTrial({ manifest, folder: place.folder, trial, tracker, ...context });
  },
  seconds: async () => {
    const measured = await measuredSeconds(manifest, place);
    return (trial) => (trial.experiment.model.kind === 'unet-lut' ? measured(trial) : closedFormSeconds);
  },
});
