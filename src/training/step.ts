import * as tf from '@tensorflow/tfjs-core';
import type { Experiment } from '../config/schema.js';
import type { PatchPixels } from '../dataset/patch.js';
import { batchLuts, type UnetLutShape } from '../models/unet-lut.js';
import { adamStep } from '../ops/adam.js';
import { alignLoss } from '../ops/align-loss.js';
import { onDevice } from '../ops/backends/device-trouble.js';
import { type QuadraticBatch, quadraticMse } from '../ops/quadratic-mse.js';
import type { ResidentPatch } from '../ops/resident-loss.js';
import { giveVector, takeVector } from '../ops/spare-vectors.js';
import { startTensorflow } from '../ops/tensorflow.js';
import { readFloats, regularised } from './regularised.js';
import { keepsUnetOnHost, onHost, splitGradient } from './split-gradient.js';
import type { TrainingState } from './state.js';

/** What one optimiser step sees: histograms, and the pixels' statistics or, with a conv module, the pixels. */
export interface Batch {
  /** UNet input, [samples, bands, knots]. */
  input: Float32Array;
  samples: number;
  statistics: QuadraticBatch | null;
  pixels: PatchPixels[] | null;
  /** The same pixels where they lie on the device already (see patch-store.ts). */
  resident?: ResidentPatch[];
}

/** Losses of one step, before the weights moved. `loss` = mse + λ_tv·tv + λ_mono·monotonicity. */
export interface StepLosses {
  mse: number;
  tv: number;
  monotonicity: number;
  loss: number;
}

/** Losses and gradient of a batch at given weights; `running` are the updated batch-norm statistics. */
export interface StepGradient extends StepLosses {
  gradient: Float32Array;
  running: Float32Array;
}

const computeGradient = async (
  experiment: Experiment,
  shape: UnetLutShape,
  weights: { theta: Float32Array; running: Float32Array; base: Float32Array | null },
  batch: Batch,
  norm: 'batch' | 'running',
): Promise<StepGradient> => {
  const { data, loss } = experiment;
  const kept: tf.Tensor[] = [];
  const keep = <T extends tf.Tensor>(tensor: T): T => {
    kept.push(tf.keep(tensor));
    return tensor;
  };
  const result = tf.tidy(() => {
    const forward = (unetTheta: tf.Tensor1D, convTheta: tf.Tensor1D): tf.Scalar => {
      const { lut, running } = batchLuts(experiment, shape, weights, batch, norm, unetTheta);
      keep(running);
      let mse: tf.Scalar;
      if (shape.conv !== null) {
        const aligned = alignLoss({
          lut,
          conv: convTheta,
          running: tf.tensor1d(weights.running.subarray(shape.unet.runningCount)),
          batch: batch.pixels!,
          bandMax: data.bandMax,
          norm,
        });
        keep(aligned.running);
        mse = aligned.mse;
      } else mse = quadraticMse(lut, batch.statistics!);
      keep(mse);
      const total = regularised(mse, lut, loss);
      total.terms.forEach(keep);
      return total.loss;
    };
    const parts = [weights.theta.subarray(0, shape.unet.parameterCount)];
    if (shape.conv !== null) parts.push(weights.theta.subarray(shape.unet.parameterCount));
    return tf.valueAndGrads(forward as (...parts: tf.Tensor[]) => tf.Scalar)(
      parts.map((part) => tf.tensor1d(part)),
    );
  });
  const runningParts = await Promise.all(kept.slice(0, shape.conv === null ? 1 : 2).map(readFloats));
  const running = new Float32Array(weights.running.length);
  if (shape.unet.runningCount > 0) running.set(runningParts[0].subarray(0, shape.unet.runningCount));
  if (shape.conv !== null) running.set(runningParts[1], shape.unet.runningCount);
  const scalars = await Promise.all(kept.slice(shape.conv === null ? 1 : 2).map(readFloats));
  const [mse, tv, monotonicity] = [scalars[0][0], scalars[1]?.[0] ?? 0, scalars[2]?.[0] ?? 0];
  const losses = { mse, tv, monotonicity, loss: (await readFloats(result.value))[0] };
  const parts = await Promise.all(result.grads.map(readFloats));
  tf.dispose([...kept, result.value, ...result.grads]);
  if (parts.length === 1) return { ...losses, gradient: parts[0], running };
  const gradient = takeVector(weights.theta.length);
  gradient.set(parts[0]);
  gradient.set(parts[1], parts[0].length);
  giveVector(parts[0]);
  return { ...losses, gradient, running };
};

/**
 * Forward and backward pass of one batch. The regularisers are computed only when their weight is not 0, as in the
 * original without `useTVLoss`; they read 0 then.
 *
 * @throws Fault where the device that computes is lost or out of memory
 */
export const stepGradient = async (...inputs: Parameters<typeof computeGradient>): Promise<StepGradient> => {
  await startTensorflow();
  if (!keepsUnetOnHost()) return onDevice(() => computeGradient(...inputs));
  const { pixels, resident } = inputs[3];
  // from statistics alone there is nothing for a device to do
  return pixels || resident
    ? onDevice(() => splitGradient(...inputs))
    : onHost(() => computeGradient(...inputs));
};

/** One optimiser step: moves `state` in place, returns the losses before it. */
export const trainStep = async (
  experiment: Experiment,
  shape: UnetLutShape,
  state: TrainingState,
  base: Float32Array | null,
  batch: Batch,
  lr: number,
): Promise<StepLosses> => {
  const norm = state.frozen ? 'running' : 'batch';
  const { gradient, running, ...losses } = await stepGradient(
    experiment,
    shape,
    { theta: state.theta, running: state.running, base },
    batch,
    norm,
  );
  if (!Number.isFinite(losses.loss)) return losses;
  state.running.set(running);
  state.step += 1;
  const { weightDecay, ema } = experiment.train;
  adamStep({
    theta: state.theta,
    gradient,
    m: state.m,
    v: state.v,
    ema: state.ema,
    step: state.step,
    lr,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay,
    emaDecay: Math.min(ema, (1 + state.step) / (10 + state.step)),
  });
  giveVector(gradient);
  return losses;
};
