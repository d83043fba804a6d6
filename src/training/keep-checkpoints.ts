import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Experiment } from '../experiments/experiment.js';
import { copyAtomic, flush, isTemporary } from '../files.js';
import { networkTensors, writeWeights } from './checkpoint.js';
import type { EpochRecord } from './fit.js';
import type { NetworkLayout, NetworkWeights } from './network.js';
import type { RunFolder } from './run-folder.js';
import type { TrainingState } from './state.js';

/** Numbered checkpoints that are there, newest first. */
export const numberedCheckpoints = async ({ checkpoints }: RunFolder): Promise<string[]> =>
  (await readdir(checkpoints))
    .filter((name) => /^epoch-\d+\.safetensors$/.test(name))
    .sort()
    .reverse()
    .map((name) => join(checkpoints, name));

/** Removes numbered checkpoints but the `keep` newest, and temporary files that a killed run left. */
const prune = async (folder: RunFolder, keep: number): Promise<void> => {
  const unfinished = (await readdir(folder.checkpoints))
    .filter(isTemporary)
    .map((name) => join(folder.checkpoints, name));
  const stale = [...(await numberedCheckpoints(folder)).slice(keep), ...unfinished];
  await Promise.all(stale.map((path) => rm(path, { force: true })));
};

/** Is there an `epoch-N` for this epoch? */
const isNumbered = ({ train }: Experiment, epoch: number): boolean =>
  epoch % train.checkpointEvery === 0 || epoch === train.epochs;

/** Gives `last`, which holds `state`, its other names: `best` after the best validation so far, `epoch-N` where it is due. */
export const nameCheckpoint = async (
  folder: RunFolder,
  experiment: Experiment,
  { epoch, best }: Pick<TrainingState, 'epoch' | 'best'>,
): Promise<void> => {
  if (best?.epoch === epoch) await copyAtomic(folder.last, folder.best);
  if (!isNumbered(experiment, epoch)) return;
  await copyAtomic(folder.last, folder.epoch(epoch));
  await prune(folder, experiment.train.keep);
};

/**
 * Writes the checkpoints of a run: `last` after every epoch that is numbered, best or the final one, and otherwise at most
 * every ten seconds; `best` when validation improved; `epoch-N` every `train.checkpointEvery` epochs, `train.keep` of
 * them kept.
 */
export const keepCheckpoints = (
  folder: RunFolder,
  experiment: Experiment,
  layout: NetworkLayout,
  constants: NetworkWeights['constants'],
) => {
  let written = performance.now();
  let latest: TrainingState | null = null;
  const write = async (state: TrainingState): Promise<void> => {
    // after a power cut the log must reach as far as the checkpoint that goes on from it
    await flush(folder.metrics);
    await writeWeights(folder.last, experiment, networkTensors(layout, state, constants), state);
    written = performance.now();
    latest = null;
  };
  return {
    epoch: async (state: TrainingState, record: EpochRecord): Promise<void> => {
      const isBest = record.val !== undefined && state.best?.epoch === state.epoch;
      latest = state;
      const isDue = isBest || isNumbered(experiment, state.epoch);
      if (!isDue && performance.now() - written < 10_000) return;
      await write(state);
      await nameCheckpoint(folder, experiment, state);
    },
    /** Writes the last whole epoch, if it is not on disk yet: called when training ends early. */
    flush: async (): Promise<void> => {
      if (latest) await write(latest);
    },
  };
};
