import * as tf from '@tensorflow/tfjs-core';
import type { PatchPixels } from '../dataset/patch.js';
import type { Slot } from '../engine/layout.js';
import type { StepResult } from '../engine/step.js';
import { onDevice } from '../engine/webgpu/device.js';
import type { Experiment } from '../experiments/experiment.js';
import { Fault, reason } from '../fault.js';
import { histogramInput } from '../models/histogram-input.js';
import { type PixelTensors, pixelError, statisticsError } from '../models/unet-lut/definition.js';
import type { BackendName } from './backends.js';
import { contextOf, type NetworkLayout, type NetworkWeights, networkOf } from './network.js';
import { type Stepper, type TrainingBatch, weightedPenalties } from './stepper.js';

type Named = Record<string, tf.Tensor>;

/** The named tensors of a flat vector, cut in one op, whose gradient is one concatenation. */
const cut = (flat: tf.Tensor1D, slots: readonly Slot[]): Named => {
  if (slots.length === 0) return {};
  const pieces = tf.split(
    flat,
    slots.map(({ size }) => size),
  );
  return Object.fromEntries(slots.map(({ name, shape }, i) => [name, tf.reshape(pieces[i], [...shape])]));
};

const joined = (named: Named, slots: readonly Slot[]): tf.Tensor1D =>
  slots.length === 0
    ? tf.tensor1d([])
    : tf.concat(slots.map(({ name }) => tf.reshape(named[name], [-1]) as tf.Tensor1D));

const floats = async (tensor: tf.Tensor): Promise<Float32Array> =>
  Float32Array.from((await tensor.data()) as Float32Array);

/** Patches of one size as tensors, [samples, height, width, bands]. */
const pixelTensors = (
  patches: readonly PatchPixels[],
  bandMax: readonly number[],
  knots: number,
): PixelTensors => {
  const [{ width, height, bands }] = patches;
  const size = width * height;
  const position = new Float32Array(patches.length * size * bands);
  const target = new Float32Array(position.length);
  const mask = new Float32Array(patches.length * size);
  for (const [sample, patch] of patches.entries()) {
    for (let band = 0; band < bands; band++) {
      const last = bandMax[band] - 1;
      const spacing = (knots - 1) / last;
      for (let i = 0; i < size; i++) {
        const at = (sample * size + i) * bands + band;
        position[at] = Math.max(0, Math.min(last, patch.source[band * size + i])) * spacing;
        target[at] = patch.target[band * size + i];
      }
    }
    for (let i = 0; i < size; i++) mask[sample * size + i] = patch.mask[i] === 0 ? 0 : 1;
  }
  const shape: [number, number, number, number] = [patches.length, height, width, bands];
  return {
    position: tf.tensor4d(position, shape),
    target: tf.tensor4d(target, shape),
    mask: tf.tensor4d(mask, [patches.length, height, width, 1]),
    valid: mask.reduce((sum, one) => sum + one, 0),
  };
};

/**
 * Trains a network that is written in TensorFlow.js, by automatic differentiation, on the backend that is set. Penalties
 * are values and gradients of arrays: where one is weighed, LUTs are read first and the pass is computed again with the
 * penalties' gradient as a constant slope.
 */
export const autogradStepper = (
  experiment: Experiment,
  layout: NetworkLayout,
  backend: BackendName,
): Stepper => {
  const { data, model } = experiment;
  const network = networkOf(experiment);
  const context = contextOf(experiment);
  const bands = data.bands.length;
  const { knots } = model;
  const weighed = weightedPenalties(experiment);
  const isPenalised = weighed.some(({ weight }) => weight > 0);
  const { parameterCount, runningCount } = layout.network;
  const work = <T>(compute: () => Promise<T>): Promise<T> =>
    backend === 'webgpu' ? onDevice(compute) : compute();

  const sharesOf = (histograms: readonly ArrayLike<number>[]): tf.Tensor3D => {
    const size = bands * data.bins;
    const shares = new Float32Array(histograms.length * size);
    for (const [i, counts] of histograms.entries()) histogramInput(counts, bands, 'share', shares, i * size);
    return tf.tensor3d(shares, [histograms.length, bands, data.bins]);
  };

  const forward = (
    theta: tf.Tensor1D,
    { running, constants }: NetworkWeights,
    histograms: readonly ArrayLike<number>[],
    training: boolean,
    norm: 'batch' | 'running',
    seed: number,
  ): { lut: tf.Tensor3D; running: Named } => {
    const statistics = cut(tf.tensor1d(running.subarray(0, runningCount)), layout.network.running);
    let result: tf.Tensor3D | { lut: tf.Tensor3D; running: Named };
    try {
      result = network.forward({
        ...context,
        tf,
        weights: cut(theta, layout.network.parameters),
        running: statistics,
        constants: Object.fromEntries(
          layout.constants.map(({ name, shape }) => [name, tf.tensor(constants[name], [...shape])]),
        ),
        histogram: sharesOf(histograms),
        training,
        norm,
        seed,
      });
    } catch (error) {
      if (error instanceof Fault) throw error;
      throw new Fault(`model: ${model.kind}; its forward throws: ${reason(error)}`, 2, { cause: error });
    }
    const { lut, running: moved } =
      result instanceof tf.Tensor ? { lut: result, running: statistics } : result;
    const shape = [histograms.length, bands, knots];
    if (lut.shape.join() !== shape.join())
      throw new Fault(
        `model: ${model.kind}; its forward gives [${lut.shape.join(', ')}], not [${shape.join(', ')}] (samples, bands, knots)`,
      );
    return { lut, running: moved };
  };

  const predict = async (
    weights: NetworkWeights,
    histograms: readonly ArrayLike<number>[],
    training: boolean,
    norm: 'batch' | 'running',
    seed: number,
  ): Promise<Float32Array> => {
    const lut = tf.tidy(
      () =>
        forward(
          tf.tensor1d(weights.theta.subarray(0, parameterCount)),
          weights,
          histograms,
          training,
          norm,
          seed,
        ).lut,
    );
    try {
      return await floats(lut);
    } finally {
      lut.dispose();
    }
  };

  /** Value of each penalty, and their weighed gradient together. */
  const penaltiesOf = (lut: Float32Array, samples: number) => {
    const slope = new Float32Array(lut.length);
    const values = weighed.map(({ name, weight, of }) => {
      const { value, gradient } = of(lut, { samples, bands, knots });
      if (gradient.length !== lut.length)
        throw new Fault(`penalty: ${name}; its gradient has ${gradient.length} values, not ${lut.length}`);
      for (let i = 0; i < slope.length; i++) slope[i] += weight * gradient[i];
      return value;
    });
    return { values, slope };
  };

  const gradient = async (
    weights: NetworkWeights,
    batch: TrainingBatch,
    norm: 'batch' | 'running',
    seed: number,
  ): Promise<StepResult> => {
    const { histograms } = batch;
    const samples = histograms.length;
    const penalised = isPenalised
      ? penaltiesOf(await predict(weights, histograms, true, norm, seed), samples)
      : { values: weighed.map(() => 0), slope: null };
    const results = tf.tidy(() => {
      const kept: tf.Tensor[] = [];
      const { value, grads } = tf.valueAndGrads((theta, conv) => {
        const { lut, running } = forward(theta as tf.Tensor1D, weights, histograms, true, norm, seed);
        const moved = [joined(running, layout.network.running)];
        let error: tf.Scalar;
        if (layout.conv) {
          const pixels = pixelTensors(batch.pixels!, data.bandMax, knots);
          const statistics = cut(tf.tensor1d(weights.running.subarray(runningCount)), layout.conv.running);
          const module = cut(conv as tf.Tensor1D, layout.conv.parameters);
          const aligned = pixelError(tf, lut, module, statistics, pixels, norm);
          moved.push(joined(aligned.running, layout.conv.running));
          error = aligned.mse;
        } else error = statisticsError(tf, lut, batch.statistics!);
        kept.push(tf.keep(error.clone()), tf.keep(tf.concat(moved)));
        const slope = penalised.slope;
        return slope
          ? (tf.add(error, tf.sum(tf.mul(lut, tf.tensor3d(slope, lut.shape)))) as tf.Scalar)
          : error;
      })(
        layout.conv
          ? [
              tf.tensor1d(weights.theta.subarray(0, parameterCount)),
              tf.tensor1d(weights.theta.subarray(parameterCount)),
            ]
          : [tf.tensor1d(weights.theta)],
      );
      value.dispose();
      return [...kept, ...grads];
    });
    try {
      const [[mse], running, ...parts] = await Promise.all(results.map(floats));
      const theta = new Float32Array(layout.parameterCount);
      theta.set(parts[0]);
      if (parts[1]) theta.set(parts[1], parameterCount);
      const loss = penalised.values.reduce((sum, value, i) => sum + weighed[i].weight * value, mse);
      return { mse, penalties: penalised.values, loss, gradient: theta, running };
    } finally {
      tf.dispose(results);
    }
  };

  return {
    backend,
    penalties: weighed.map(({ name }) => name),
    gradient: (...inputs) => work(() => gradient(...inputs)),
    predict: (weights, histograms) =>
      work(async () => {
        const luts = await predict(weights, histograms, false, 'running', 0);
        return histograms.map((_, i) => luts.slice(i * bands * knots, (i + 1) * bands * knots));
      }),
    openTraining: () => null,
    openDeviceTraining: async () => null,
    openPixelRoom: () => null,
    openPatches: () => null,
  };
};
