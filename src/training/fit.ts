import { setImmediate } from 'node:timers/promises';
import { seededRandom } from '../config/random.js';
import type { Experiment } from '../config/schema.js';
import type { PatchPixels } from '../dataset/patch.js';
import type { StatisticsTable } from '../dataset/statistics-table.js';
import { Fault } from '../fault.js';
import type { UnetLutShape, UnetLutWeights } from '../models/unet-lut.js';
import { startTensorflow } from '../ops/tensorflow.js';
import type { OnProgress } from '../progress.js';
import { identityBands, inputBatch, statisticsBatch } from './batches.js';
import { type PatchStore, patchStore } from './patch-store.js';
import { learningRate } from './schedule.js';
import { snapshot, type TrainingState, workingCopy } from './state.js';
import { type StepLosses, trainStep } from './step.js';

/** What validation says of some weights. */
export interface Validation {
  /** Mean over patches of the MSE over a patch's valid pixels and bands, stored units² (the original's valMse). */
  mse: number;
  /** Pooled RMSE of each band, stored units. */
  rmse: number[];
}

/** One line of `metrics.jsonl`: an epoch. Losses are means over the epoch's steps. */
export interface EpochRecord extends StepLosses {
  epoch: number;
  step: number;
  lr: number;
  /** Wall-clock seconds of the epoch, validation aside. */
  seconds: number;
  val?: Validation;
  /** When it was logged, ISO. */
  time?: string;
}

/** What {@link fitWeights} works on. */
export interface FitInput {
  experiment: Experiment;
  shape: UnetLutShape;
  /** The global LUT under a `correction`; null for `absolute` output. */
  base: Float32Array | null;
  table: StatisticsTable;
  /** Rows of the table that train. */
  rows: readonly number[];
  /** Source histogram of a row's patch, counts [bands·bins]. */
  histogram: (row: number) => ArrayLike<number>;
  /** Pixels of each batch of rows, in order, read ahead; null without a conv module. */
  pixels: ((batches: readonly (readonly number[])[]) => AsyncIterable<PatchPixels[]>) | null;
  validate: (weights: UnetLutWeights) => Promise<Validation>;
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

const mean = (steps: readonly StepLosses[], key: keyof StepLosses): number =>
  steps.reduce((sum, step) => sum + step[key], 0) / steps.length;

/** The weights that are validated and shipped: the moving average where there is one. */
export const evaluationWeights = (state: TrainingState, base: Float32Array | null): UnetLutWeights => ({
  theta: state.ema ?? state.theta,
  running: state.running,
  base,
});

const fitEpochs = async (input: FitInput, store: PatchStore | null): Promise<TrainingState> => {
  const { experiment, shape, base, table, rows, signal } = input;
  const { epochs, batchSize, shuffle, validateEvery, batchNorm } = experiment.train;
  const identity = identityBands(table.bandMax, table.knots);
  const random = seededRandom(experiment.seed, 'shuffle');
  const state = workingCopy(input.state);
  if (state.random.length > 0) random.restore(state.random);
  const perEpoch = Math.ceil(rows.length / batchSize);
  const totalSteps = epochs * perEpoch;
  let turn = performance.now();

  while (state.epoch < epochs) {
    const started = performance.now();
    const batches = chunks(shuffle ? random.shuffled(rows) : rows, batchSize);
    const pixels = input.pixels?.(store ? store.plan(batches) : batches)[Symbol.asyncIterator]() ?? null;
    const read = async (): Promise<PatchPixels[]> => (await pixels!.next()).value;
    const steps: StepLosses[] = [];
    let lr = 0;
    try {
      for (const batch of batches) {
        if (performance.now() - turn > 50) {
          await setImmediate();
          turn = performance.now();
        }
        signal?.throwIfAborted();
        lr = learningRate(experiment, state.step, totalSteps);
        const losses = await trainStep(
          experiment,
          shape,
          state,
          base,
          {
            input: inputBatch(experiment, batch.map(input.histogram)),
            samples: batch.length,
            statistics: pixels === null ? statisticsBatch(table, batch, identity) : null,
            pixels: pixels === null || store ? null : await read(),
            ...(store && { resident: await store.batch(batch, read) }),
          },
          lr,
        );
        if (!Number.isFinite(losses.loss))
          throw diverged(`loss: ${losses.loss}`, { ...state, step: state.step + 1 });
        steps.push(losses);
        input.onProgress({
          stage: 'training',
          done: state.step,
          total: totalSteps,
          unit: 'steps',
          note: `epoch ${state.epoch + 1}/${epochs} loss ${losses.loss.toPrecision(4)}`,
        });
      }
    } finally {
      await pixels?.return?.();
    }
    // a finite loss of the last step may have had a gradient that is not: such weights must not become a checkpoint
    if (!state.theta.every(Number.isFinite)) throw diverged('weights: not finite', state);
    state.epoch += 1;
    state.random = random.state();
    const record: EpochRecord = {
      epoch: state.epoch,
      step: state.step,
      lr,
      mse: mean(steps, 'mse'),
      tv: mean(steps, 'tv'),
      monotonicity: mean(steps, 'monotonicity'),
      loss: mean(steps, 'loss'),
      seconds: (performance.now() - started) / 1000,
    };
    if (state.epoch % validateEvery === 0 || state.epoch === epochs) {
      record.val = await input.validate(evaluationWeights(state, base));
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
 * Trains a UNet-LUT to the configured number of epochs. The same input gives the same state, whether run at once or
 * stopped and continued from any epoch's end. Between steps the event loop gets its turn at least every 50 ms.
 *
 * @throws Fault on a loss, weights or a validation that are not finite (with the step), and the signal's reason when aborted; the state of the
 * last whole epoch has then been handed to `onEpoch`.
 */
export const fitWeights = async (input: FitInput): Promise<TrainingState> => {
  await startTensorflow();
  const store = input.pixels && patchStore(input.experiment, input.shape);
  try {
    return await fitEpochs(input, store);
  } finally {
    store?.dispose();
  }
};
