import { setImmediate } from 'node:timers/promises';
import { seededRandom } from '../config/random.js';
import type { PatchPixels } from '../dataset/patch.js';
import { identityKnots, type StatisticsTable } from '../dataset/statistics-table.js';
import { type AdamRates, adamStep } from '../engine/adam.js';
import type { PixelRoom } from '../engine/cpu/pixel-error.js';
import type { StatisticsTraining } from '../engine/cpu/statistics-training.js';
import type { DeviceTraining } from '../engine/device-training.js';
import type { ResidentPatch } from '../engine/engine.js';
import type { PatchStore } from '../engine/patch-store.js';
import type { StatisticsBatch } from '../engine/statistics-error.js';
import type { Experiment } from '../experiments/experiment.js';
import { Fault } from '../fault.js';
import type { OnProgress } from '../progress.js';
import type { NetworkWeights } from './network.js';
import { learningRate } from './schedule.js';
import { snapshot, type TrainingState, workingCopy } from './state.js';
import type { Stepper, TrainingBatch } from './stepper.js';

/** What validation says of some weights. */
export interface Validation {
  /** Mean over patches of the MSE over a patch's valid pixels and bands, stored units² (the original's valMse). */
  mse: number;
  /** Pooled RMSE of each band, stored units. */
  rmse: number[];
}

/** Losses of one step, before the weights moved: `loss` = mse + Σ weight·penalty, each penalty under its own name. */
export type StepLosses = { mse: number; loss: number } & Record<string, number>;

/** One line of `metrics.jsonl`: an epoch. Losses are means over the epoch's steps. */
export type EpochRecord = {
  epoch: number;
  step: number;
  lr: number;
  mse: number;
  loss: number;
  /** Wall-clock seconds of the epoch, validation aside. */
  seconds: number;
  val?: Validation;
  /** When it was logged, ISO. */
  time?: string;
  /** Penalties by name. */
  [penalty: string]: number | string | Validation | undefined;
};

/** What {@link fitWeights} works on. */
export interface TrainingInput {
  experiment: Experiment;
  stepper: Stepper;
  constants: NetworkWeights['constants'];
  table: StatisticsTable;
  /** Rows of the table that train. */
  rows: readonly number[];
  /** Source histogram of a row's patch, counts [bands·bins]. */
  histogram: (row: number) => ArrayLike<number>;
  /** Pixels of each batch of rows, in order, read ahead; null without a conv module. */
  pixels:
    | ((
        batches: readonly (readonly number[])[],
        allocate?: (bytes: number) => Uint8Array,
      ) => AsyncIterable<PatchPixels[]>)
    | null;
  validate: (weights: NetworkWeights) => Promise<Validation>;
  /** Where to begin: fresh, or from a checkpoint. Not touched. */
  state: TrainingState;
  /** Awaited after each epoch; `state` is a copy. `steps` are the losses of each step, in order. */
  onEpoch: (state: TrainingState, record: EpochRecord, steps: StepLosses[]) => Promise<void>;
  onProgress: OnProgress;
  signal?: AbortSignal;
}

const chunks = <T>(items: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));

/** The fault of a run that diverged at its last step. */
const diverged = (what: string, { step, epoch }: TrainingState): Fault =>
  new Fault(
    `${what} at step ${step} (epoch ${epoch + 1}); lower train.lr or look at the data; the last good checkpoint is kept`,
    1,
  );

const areFinite = (values: Float32Array): boolean => {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i])) return false;
  return true;
};

const mean = (steps: readonly StepLosses[], key: string): number =>
  steps.reduce((sum, step) => sum + step[key], 0) / steps.length;

/** The weights that are validated and shipped: the moving average where there is one. */
export const evaluationWeights = (
  state: TrainingState,
  constants: NetworkWeights['constants'],
): NetworkWeights => ({ theta: state.ema ?? state.theta, running: state.running, constants });

const identities = new WeakMap<StatisticsTable, Float32Array>();

/** The identity LUT of every band, [bands·knots], stored units. */
const identityOf = (table: StatisticsTable): Float32Array => {
  const { bandMax, knots } = table;
  const identity =
    identities.get(table) ?? Float32Array.from(bandMax.flatMap((max) => [...identityKnots(max, knots)]));
  identities.set(table, identity);
  return identity;
};

/** Rows of the table as one batch, in the order given. */
export const statisticsBatch = (table: StatisticsTable, rows: readonly number[]): StatisticsBatch => {
  const gather = <A extends Float32Array | Float64Array>(source: A, width: number, out: A): A => {
    const size = table.bands * width;
    for (const [i, row] of rows.entries())
      out.set(source.subarray(row * size, (row + 1) * size) as never, i * size);
    return out;
  };
  const cells = rows.length * table.bands;
  const floats = (source: Float32Array): Float32Array =>
    gather(source, table.knots, new Float32Array(cells * table.knots));
  const doubles = (source: Float64Array): Float64Array => gather(source, 1, new Float64Array(cells));
  return {
    diagonal: floats(table.diagonal),
    offDiagonal: floats(table.offDiagonal),
    linear: floats(table.linear),
    constant: doubles(table.constant),
    count: doubles(table.count),
    identity: identityOf(table),
  };
};

/** The numbers of Adam for step `step`, 1 for the first. */
const ratesOf = ({ train }: Experiment, step: number, lr: number): AdamRates => ({
  ...{ step, lr, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: train.weightDecay },
  emaDecay: Math.min(train.ema, (1 + step) / (10 + step)),
});

/** {@link trainStep} where all that it needs lies in the kernels' memory, as the vectors of `state` do. */
export const statisticsStep = (
  experiment: Experiment,
  training: StatisticsTraining,
  state: TrainingState,
  batch: readonly number[],
  lr: number,
): StepLosses => {
  const norm = state.frozen ? 'running' : 'batch';
  const hasMoved = training.step(batch, norm, ratesOf(experiment, state.step + 1, lr));
  if (hasMoved) state.step += 1;
  const [mse, tv, monotonicity, loss] = training.losses;
  return { mse, tv, monotonicity, loss };
};

/** One optimiser step: moves `state` in place, returns the losses before it. */
export const trainStep = async (
  experiment: Experiment,
  stepper: Stepper,
  state: TrainingState,
  constants: NetworkWeights['constants'],
  batch: TrainingBatch,
  lr: number,
): Promise<StepLosses> => {
  const { theta, running } = state;
  const norm = state.frozen ? 'running' : 'batch';
  const result = await stepper.gradient({ theta, running, constants }, batch, norm, state.step);
  const named = stepper.penalties.map((name, i) => [name, result.penalties[i]]);
  const losses: StepLosses = { mse: result.mse, ...Object.fromEntries(named), loss: result.loss };
  if (!Number.isFinite(losses.loss)) return losses;
  state.running.set(result.running);
  state.step += 1;
  adamStep({
    ...{ theta, gradient: result.gradient, m: state.m, v: state.v, ema: state.ema },
    ...ratesOf(experiment, state.step, lr),
  });
  return losses;
};

/**
 * One optimiser step where all of it is on a device: sent, not waited for.
 *
 * @returns losses of earlier steps that have come back, in order
 */
export const deviceStep = (
  experiment: Experiment,
  device: DeviceTraining,
  state: TrainingState,
  batch: readonly number[],
  patches: readonly ResidentPatch[] | null,
  lr: number,
): Promise<StepLosses[]> => {
  state.step += 1;
  const norm = state.frozen ? 'running' : 'batch';
  return device.step(batch, patches, norm, ratesOf(experiment, state.step, lr));
};

/** What a training holds in the memory of what computes. */
interface Held {
  store: PatchStore | null;
  room: PixelRoom | null;
  training: StatisticsTraining | null;
  device: DeviceTraining | null;
}

const fitEpochs = async (
  input: TrainingInput,
  { store, room, training, device }: Held,
): Promise<TrainingState> => {
  const { experiment, stepper, constants, table, rows, signal } = input;
  const { epochs, batchSize, shuffle, validateEvery, batchNorm } = experiment.train;
  const random = seededRandom(experiment.seed, 'shuffle');
  const state = workingCopy(input.state, training ?? undefined);
  if (state.random.length > 0) random.restore(state.random);
  device?.load(state);
  const perEpoch = Math.ceil(rows.length / batchSize);
  const totalSteps = epochs * perEpoch;
  let turn = performance.now();

  while (state.epoch < epochs) {
    const started = performance.now();
    const batches = chunks(shuffle ? random.shuffled(rows) : rows, batchSize);
    room?.restart();
    const brought = store ? store.plan(batches) : batches;
    const pixels = input.pixels?.(brought, room?.allocate)[Symbol.asyncIterator]() ?? null;
    const read = async (): Promise<PatchPixels[]> => (await pixels!.next()).value;
    const steps: StepLosses[] = [];
    const before = state.step;
    const report = (losses: StepLosses): void => {
      const step = before + steps.length + 1;
      if (!Number.isFinite(losses.loss)) throw diverged(`loss: ${losses.loss}`, { ...state, step });
      steps.push(losses);
      input.onProgress({
        stage: 'training',
        done: step,
        total: totalSteps,
        unit: 'steps',
        note: `epoch ${state.epoch + 1}/${epochs} loss ${losses.loss.toPrecision(4)}`,
      });
    };
    let lr = 0;
    try {
      for (const batch of batches) {
        if (performance.now() - turn > 50) {
          await setImmediate();
          turn = performance.now();
        }
        signal?.throwIfAborted();
        lr = learningRate(experiment, state.step, totalSteps);
        if (device) {
          const patches = store && (await store.batch(batch, read));
          (await deviceStep(experiment, device, state, batch, patches, lr)).forEach(report);
          continue;
        }
        report(
          training
            ? statisticsStep(experiment, training, state, batch, lr)
            : await trainStep(
                experiment,
                stepper,
                state,
                constants,
                {
                  histograms: batch.map(input.histogram),
                  statistics: pixels === null ? statisticsBatch(table, batch) : null,
                  pixels: pixels === null || store ? null : await read(),
                  ...(store && { resident: await store.batch(batch, read) }),
                },
                lr,
              ),
        );
      }
      if (device) {
        (await device.settle()).forEach(report);
        await device.read(state);
      }
    } finally {
      await pixels?.return?.();
    }
    // a finite loss of the last step may have had a gradient that is not: such weights must not become a checkpoint
    if (!areFinite(state.theta)) throw diverged('weights: not finite', state);
    state.epoch += 1;
    state.random = random.state();
    const record: EpochRecord = {
      epoch: state.epoch,
      step: state.step,
      lr,
      mse: mean(steps, 'mse'),
      ...Object.fromEntries(stepper.penalties.map((name) => [name, mean(steps, name)])),
      loss: mean(steps, 'loss'),
      seconds: (performance.now() - started) / 1000,
    };
    if (state.epoch % validateEvery === 0 || state.epoch === epochs) {
      record.val = await input.validate(evaluationWeights(state, constants));
      if (!Number.isFinite(record.val.mse))
        throw diverged(`validation: MSE ${record.val.mse}`, { ...state, epoch: state.epoch - 1 });
      if (state.best === null || record.val.mse < state.best.valMse)
        state.best = { epoch: state.epoch, valMse: record.val.mse };
      if (batchNorm === 'published') state.frozen = true;
    }
    await input.onEpoch(snapshot(state), record, steps);
  }
  return state;
};

/**
 * Trains a network to the configured number of epochs. The same input gives the same state, whether run at once or stopped
 * and continued from any epoch's end. Between steps the event loop gets its turn at least every 50 ms.
 *
 * @throws Fault on a loss, weights or a validation that are not finite (with the step), and the signal's reason when
 *   aborted; the state of the last whole epoch has then been handed to `onEpoch`
 */
export const fitWeights = async (input: TrainingInput): Promise<TrainingState> => {
  const { pixels, stepper } = input;
  const store = pixels && stepper.openPatches();
  const room = pixels && !store ? stepper.openPixelRoom() : null;
  const device = await stepper.openDeviceTraining(input);
  const training = pixels || device ? null : stepper.openTraining(input);
  try {
    const end = await fitEpochs(input, { store, room, training, device });
    return training ? snapshot(end) : end;
  } finally {
    store?.dispose();
    room?.release();
    training?.dispose();
    device?.dispose();
  }
};
