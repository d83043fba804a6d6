import type { Trial } from '../expand.js';

/** A job that is over in less is not worth the start: such trials share one. Seconds. */
const worthAJob = 600;
/** What a model with a closed form takes at most, about, start included. Seconds. */
const closedFormSeconds = 20;

/**
 * Deals trials out to array tasks, in order: as many to a task as fill about ten minutes, or `perJob`. A trial whose cost is
 * not known has a task of its own.
 *
 * @param seconds what a trial takes; null: not known
 */
export const groupTrials = (
  trials: readonly Trial[],
  seconds: (trial: Trial) => number | null,
  perJob?: number,
): Trial[][] => {
  const groups: Trial[][] = [];
  let room = 0;
  for (const trial of trials) {
    const cost =
      perJob !== undefined
        ? 1
        : trial.experiment.model.kind === 'unet-lut'
          ? (seconds(trial) ?? worthAJob)
          : closedFormSeconds;
    if (groups.length === 0 || cost > room) {
      groups.push([]);
      room = perJob ?? worthAJob;
    }
    groups.at(-1)!.push(trial);
    room -= cost;
  }
  return groups;
};
