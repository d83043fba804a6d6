import type { PatchPixels } from '../dataset/patch.js';
import type { PixelRoom } from '../engine/cpu/pixel-error.js';
import {
  openStatisticsTraining,
  type StatisticsTraining,
  type StatisticsTrainingInput,
} from '../engine/cpu/statistics-training.js';
import type { DeviceTraining } from '../engine/device-training.js';
import type { Engine, ResidentPatch } from '../engine/engine.js';
import { type PatchStore, patchStore } from '../engine/patch-store.js';
import type { StatisticsBatch } from '../engine/statistics-error.js';
import {
  predictLuts,
  type StepResult,
  stepGradient,
  stepShape,
  type WeightedPenalty,
} from '../engine/step.js';
import type { Experiment } from '../experiments/experiment.js';
import { penalties } from '../losses/index.js';
import { histogramInput } from '../models/histogram-input.js';
import type { BackendName } from './backends.js';
import { contextOf, type NetworkLayout, type NetworkWeights, networkOf } from './network.js';

/** Tiles whose LUTs are predicted together: bounds the memory, and changes no bit. */
export const tilesAtOnce = 16;

/** What one optimiser step sees: histograms, and the pixels' statistics or, with a conv module, the pixels. */
export interface TrainingBatch {
  /** Source counts of each patch, [bands·bins]. */
  histograms: readonly ArrayLike<number>[];
  statistics: StatisticsBatch | null;
  pixels: readonly PatchPixels[] | null;
  /** The same pixels where they lie on the device already. */
  resident?: readonly ResidentPatch[];
}

/** What a training goes over. */
export interface TrainingSource extends Pick<StatisticsTrainingInput, 'table' | 'rows'> {
  /** Source histogram of a row's patch, counts [bands·bins]. */
  histogram: (row: number) => ArrayLike<number>;
  constants: NetworkWeights['constants'];
}

/** Computes a network's gradient and its LUTs: the engine, or TensorFlow.js. */
export interface Stepper {
  /** What computes, for logs and records. */
  backend: BackendName;
  /** Names of the penalties, in the order in which a step gives their values. */
  penalties: readonly string[];
  /**
   * Losses and gradient of a batch at these weights. Valid until the next call.
   *
   * @param seed the same for the same step, whenever it is computed
   */
  gradient: (
    weights: NetworkWeights,
    batch: TrainingBatch,
    norm: 'batch' | 'running',
    seed: number,
  ) => Promise<StepResult>;
  /** LUTs of tiles in evaluation mode, stored units, [bands·knots] each. */
  predict: (weights: NetworkWeights, histograms: readonly ArrayLike<number>[]) => Promise<Float32Array[]>;
  /**
   * Training steps in one call each, for a network that trains from statistics; null where each step takes `gradient`: with
   * a conv module, penalties of a person's own, another training at work in this process.
   */
  openTraining: (source: TrainingSource) => StatisticsTraining | null;
  /**
   * Training steps that are whole on a device; null where there is none, it has not the room, or penalties of a person's
   * own must be computed on the host.
   *
   * @throws Fault where the device is lost or out of memory
   */
  openDeviceTraining: (source: TrainingSource) => Promise<DeviceTraining | null>;
  /** Room for pixels that steps read where they lie; null where they are copied from anywhere. */
  openPixelRoom: () => PixelRoom | null;
  /** Keeps patches on the device; null where steps read them from the host's memory. */
  openPatches: () => PatchStore | null;
}

/** The penalties that an experiment weighs, in the order in which they are summed; none where all weights are 0. */
export const weightedPenalties = ({ loss }: Experiment): WeightedPenalty[] => {
  const all = penalties.list().map(({ name, of }) => ({ name, of, weight: loss[name] ?? 0 }));
  return all.filter(({ weight, name }) => weight > 0 || penalties.isBuiltIn(name));
};

/** L1-normalised histograms, or what the UNet takes instead, one behind the other. */
const inputOf = (
  histograms: readonly ArrayLike<number>[],
  bands: number,
  form: 'share' | 'sqrt',
): Float32Array => {
  const size = histograms[0].length;
  const out = new Float32Array(histograms.length * size);
  for (const [i, counts] of histograms.entries()) histogramInput(counts, bands, form, out, i * size);
  return out;
};

/** Penalties that the kernels know, in their order. */
const inKernels = ['tv', 'monotonicity'];

/** Steps of a network that the engine knows. */
export const engineStepper = (experiment: Experiment, layout: NetworkLayout, engine: Engine): Stepper => {
  const { data } = experiment;
  const { spec, input, scale, base } = networkOf(experiment).engine!(contextOf(experiment));
  const bands = data.bands.length;
  const shape = stepShape(spec, layout.conv !== null);
  const settings = { scale, bandMax: data.bandMax, penalties: weightedPenalties(experiment) };
  const own = ({ theta, running, constants }: NetworkWeights) => ({
    theta,
    running,
    base: base === null ? null : constants[base],
  });
  /** What trainings keep in the memory of what computes; null where a penalty is none that the kernels know. */
  const inputOfTraining = ({ table, rows, histogram, constants }: TrainingSource) => {
    const { penalties: weighed } = settings;
    if (weighed.length !== inKernels.length || weighed.some(({ name }, i) => name !== inKernels[i]))
      return null;
    const [tv, monotonicity] = weighed.map(({ weight }) => weight);
    const { batchSize, ema } = experiment.train;
    return {
      ...{ spec, scale, table, rows, batchSize },
      base: base === null ? null : constants[base],
      weights: { tv, monotonicity },
      ema: ema > 0,
      writeInput: (row: number, out: Float32Array, offset: number): void => {
        histogramInput(histogram(row), bands, input, out, offset);
      },
    };
  };
  return {
    backend: engine.name,
    penalties: settings.penalties.map(({ name }) => name),
    gradient: (weights, { histograms, ...batch }, norm) =>
      stepGradient(
        engine,
        shape,
        settings,
        own(weights),
        { ...batch, input: inputOf(histograms, bands, input), samples: histograms.length },
        norm,
      ),
    predict: async (weights, histograms) => {
      const luts = predictLuts(
        shape,
        settings,
        own(weights),
        inputOf(histograms, bands, input),
        histograms.length,
      );
      const size = bands * spec.knots;
      return histograms.map((_, i) => luts.slice(i * size, (i + 1) * size));
    },
    openTraining: (source) => {
      const input = inputOfTraining(source);
      return input && !layout.conv ? openStatisticsTraining(input) : null;
    },
    openDeviceTraining: async (source) => {
      const input = inputOfTraining(source);
      return input && engine.openTraining({ ...input, conv: layout.conv !== null });
    },
    openPixelRoom: engine.openPixelRoom,
    openPatches: () => (layout.conv ? patchStore(engine, { bandMax: data.bandMax }) : null),
  };
};
