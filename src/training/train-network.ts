import { rm } from 'node:fs/promises';
import type { Experiment } from '../experiments/experiment.js';
import { Fault } from '../fault.js';
import { copyAtomic, exists } from '../files.js';
import { penalties } from '../losses/index.js';
import { checkPenalty } from '../losses/penalty.js';
import type { OnProgress } from '../progress.js';
import { readState, readWholeSafetensors } from './checkpoint.js';
import { hasConverged } from './converged.js';
import { logEpoch, rewindLog } from './epoch-log.js';
import { type EpochRecord, fitWeights } from './fit.js';
import { keepCheckpoints, nameCheckpoint, numberedCheckpoints } from './keep-checkpoints.js';
import {
  contextOf,
  freshState,
  type NetworkLayout,
  networkConstants,
  networkLayout,
  networkOf,
} from './network.js';
import { openStepper } from './open-stepper.js';
import { fitInputOf, type PreparedData } from './prepare-data.js';
import type { RunResult } from './result.js';
import { readLines } from './result.js';
import type { RunFolder } from './run-folder.js';
import type { TrainingState } from './state.js';
import { weightedPenalties } from './stepper.js';
import { validator } from './validate.js';

const faultOf = (error: unknown): Fault => {
  if (error instanceof Fault) return error;
  throw error;
};

/**
 * The newest whole checkpoint of a run, under the name `last`; null where there is none yet. One before the best epoch makes
 * the best weights again where these are damaged.
 *
 * @throws Fault where none is whole
 */
const lastWhole = async (
  layout: NetworkLayout,
  folder: RunFolder,
  onNote: (text: string) => void,
): Promise<TrainingState | null> => {
  if (!(await exists(folder.last))) return null;
  const damaged = new Map<string, Fault>();
  if (await exists(folder.best))
    await readWholeSafetensors(folder.best).catch((error) => damaged.set(folder.best, faultOf(error)));
  const passed: string[] = [];
  for (const path of [folder.last, ...(await numberedCheckpoints(folder))]) {
    const state = await readWholeSafetensors(path)
      .then((file) => readState(path, file, layout))
      .catch((error) => void damaged.set(path, faultOf(error)));
    // the best epoch's own checkpoint gives the best weights their name again, as one before it does
    if (!state || (damaged.has(folder.best) && state.best && state.best.epoch < state.epoch)) {
      passed.push(path);
      continue;
    }
    if (path !== folder.last) {
      await copyAtomic(path, folder.last);
      for (const newer of passed) if (newer !== folder.last) await rm(newer, { force: true });
    }
    if (damaged.size > 0)
      onNote(
        `checkpoint: ${[...damaged.keys()].join(', ')}; damaged, the run goes on from epoch ${state.epoch}`,
      );
    return state;
  }
  throw new Fault([...damaged.values()].flatMap(({ faults }) => faults));
};

/** The state to go on from: the last checkpoint, or a fresh one. The log is cut back to it. */
const startState = async (
  experiment: Experiment,
  layout: NetworkLayout,
  folder: RunFolder,
  onNote: (text: string) => void,
): Promise<TrainingState> => {
  const last = await lastWhole(layout, folder, onNote);
  const state = last ?? freshState(experiment, layout);
  await rewindLog(folder.metrics, state.epoch);
  // a run killed right after writing `last` has the best weights, or a numbered checkpoint, only under that name
  if (last) await nameCheckpoint(folder, experiment, state);
  return state;
};

/**
 * Looks at what can be known before the first step: that the network can train on every batch, and that the gradients of a
 * person's own penalties are those of their values.
 *
 * @throws Fault where not
 */
export const checkTraining = (experiment: Experiment, patches: number): void => {
  const { data, model, train } = experiment;
  const { batchSize } = train;
  const smallest = patches % batchSize || Math.min(patches, batchSize);
  const fault = networkOf(experiment).checkBatch?.(contextOf(experiment), { smallest, patches, batchSize });
  if (fault) throw new Fault(fault);
  for (const { name } of weightedPenalties(experiment))
    if (!penalties.isBuiltIn(name))
      checkPenalty(penalties.get(name)!, { bands: data.bands.length, knots: model.knots });
};

/** Trains (or goes on training) the network of a run; its checkpoints and log are written as it goes. */
export const trainNetwork = async (
  experiment: Experiment,
  data: PreparedData,
  folder: RunFolder,
  {
    onProgress,
    onNote,
    signal,
  }: { onProgress: OnProgress; onNote: (text: string) => void; signal?: AbortSignal },
): Promise<{ parameters: number; training: RunResult['training'] }> => {
  const layout = networkLayout(experiment);
  const constants = networkConstants(experiment, fitInputOf(experiment, data));
  const stepper = await openStepper(experiment, layout);
  const state = await startState(experiment, layout, folder, onNote);
  const checkpoints = keepCheckpoints(folder, experiment, layout, constants);
  try {
    const end = await fitWeights({
      experiment,
      stepper,
      constants,
      table: data.table,
      rows: data.lists.train.map(data.row),
      histogram: data.patchHistogram,
      pixels: layout.conv ? data.batches : null,
      validate: validator(experiment, layout, stepper, data, data.lists.val),
      state,
      onEpoch: async (after, record) => {
        await logEpoch(folder.metrics, record);
        await checkpoints.epoch(after, record);
      },
      onProgress,
      signal,
    });
    await checkpoints.flush();
    const records = await readLines<EpochRecord>(folder.metrics);
    return {
      parameters: layout.parameterCount,
      training: {
        epochs: end.epoch,
        steps: end.step,
        bestEpoch: end.best?.epoch ?? end.epoch,
        trainMse: records.at(-1)?.mse ?? Number.NaN,
        converged: hasConverged(records),
      },
    };
  } catch (error) {
    await checkpoints.flush();
    throw error;
  }
};
