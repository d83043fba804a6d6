import { seededRandom } from '../config/random.js';
import type { Experiment } from '../config/schema.js';
import { exists, writeAtomic } from '../files.js';
import { fitGlobalLut } from '../models/fitted.js';
import { type UnetLutShape, unetLutShape } from '../models/unet-lut.js';
import { initialise, initialRunning } from '../ops/initialise.js';
import type { TrackedRun } from '../tracking/tracker.js';
import { readState } from './checkpoint.js';
import { logEpoch, rewindLog } from './epoch-log.js';
import { type EpochRecord, fitWeights } from './fit.js';
import { keepCheckpoints, nameCheckpoint } from './keep-checkpoints.js';
import type { PreparedData } from './prepare-data.js';
import type { RunResult } from './result.js';
import { readLines } from './result.js';
import type { RunOptions } from './run.js';
import type { RunFolder } from './run-folder.js';
import { encodeSafetensors, readSafetensors } from './safetensors.js';
import type { TrainingState } from './state.js';
import type { Tensor } from './tensor-file.js';
import { validator } from './validate.js';

const join = (a: Float32Array, b: Float32Array | null): Float32Array => {
  const out = new Float32Array(a.length + (b?.length ?? 0));
  out.set(a);
  if (b) out.set(b, a.length);
  return out;
};

/** Training state before the first step: PyTorch's default initialisation, drawn from the experiment's seed. */
export const freshState = (experiment: Experiment, shape: UnetLutShape): TrainingState => {
  const random = seededRandom(experiment.seed, 'weights');
  const zeroLast = experiment.model.unet.output === 'correction';
  const theta = join(
    initialise(shape.unet, random.next, { zeroLast }),
    shape.conv && initialise(shape.conv, random.next),
  );
  return {
    theta,
    running: join(initialRunning(shape.unet), shape.conv && initialRunning(shape.conv)),
    m: new Float32Array(theta.length),
    v: new Float32Array(theta.length),
    ema: experiment.train.ema > 0 ? theta.slice() : null,
    step: 0,
    epoch: 0,
    random: [],
    frozen: false,
    best: null,
  };
};

/** The state to go on from: the last checkpoint, or a fresh one. The log is cut back to it. */
const startState = async (
  experiment: Experiment,
  shape: UnetLutShape,
  folder: RunFolder,
): Promise<TrainingState> => {
  const goesOn = await exists(folder.last);
  const state = goesOn
    ? readState(folder.last, await readSafetensors(folder.last), shape)
    : freshState(experiment, shape);
  await rewindLog(folder.metrics, state.epoch);
  // a run killed right after writing `last` has the best weights, or a numbered checkpoint, only under that name
  if (goesOn) await nameCheckpoint(folder, experiment, state);
  return state;
};

/** Adds tensors to a weights file that is already written, replacing those of the same name. */
export const addTensors = async (
  path: string,
  tensors: Iterable<readonly [string, Tensor]>,
): Promise<void> => {
  const file = await readSafetensors(path);
  await writeAtomic(path, encodeSafetensors(new Map([...file.tensors, ...tensors]), file.metadata));
};

const pointsOf = (record: EpochRecord, bands: readonly string[]): Record<string, number> => ({
  train_loss: record.loss,
  train_mse: record.mse,
  train_tv: record.tv,
  train_monotonicity: record.monotonicity,
  lr: record.lr,
  ...(record.val
    ? {
        val_mse: record.val.mse,
        ...Object.fromEntries(bands.map((band, i) => [`val_rmse_${band}`, record.val!.rmse[i]])),
      }
    : {}),
});

/** The epochs that are logged in the run's folder, for its record: what an earlier process did not get to record. */
export const recordEpochs = async (
  tracked: TrackedRun,
  folder: RunFolder,
  bands: readonly string[],
): Promise<void> => {
  for (const record of await readLines<EpochRecord>(folder.metrics))
    tracked.logMetrics(record.epoch, pointsOf(record, bands));
};

/** Trains (or goes on training) the UNet-LUT of a run; its checkpoints and log are written as it goes. */
export const trainUnetLut = async (
  { experiment, tracked, onProgress, signal }: RunOptions,
  data: PreparedData,
  folder: RunFolder,
): Promise<{ parameters: number; training: RunResult['training'] }> => {
  const shape = unetLutShape(experiment);
  const base =
    experiment.model.unet.output === 'correction'
      ? fitGlobalLut(experiment, data.sum(data.lists.train)).values
      : null;
  const state = await startState(experiment, shape, folder);
  if (tracked) await recordEpochs(tracked, folder, experiment.data.bands);
  const checkpoints = keepCheckpoints(folder, experiment, shape, base);
  try {
    const end = await fitWeights({
      experiment,
      shape,
      base,
      table: data.table,
      rows: data.lists.train.map(data.row),
      histogram: data.patchHistogram,
      pixels: shape.conv ? data.batches : null,
      validate: validator(experiment, shape, data, data.lists.val),
      state,
      onEpoch: async (after, record) => {
        await logEpoch(folder.metrics, record);
        await checkpoints.epoch(after, record);
        tracked?.logMetrics(record.epoch, pointsOf(record, experiment.data.bands));
      },
      onProgress,
      signal,
    });
    await checkpoints.flush();
    const records = await readLines<EpochRecord>(folder.metrics);
    return {
      parameters: shape.parameterCount,
      training: {
        epochs: end.epoch,
        steps: end.step,
        bestEpoch: end.best?.epoch ?? end.epoch,
        trainMse: records.at(-1)?.mse ?? Number.NaN,
      },
    };
  } catch (error) {
    await checkpoints.flush();
    throw error;
  }
};
