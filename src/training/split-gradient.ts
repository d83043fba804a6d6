import * as tf from '@tensorflow/tfjs-core';
import type { Experiment } from '../config/schema.js';
import { hasKernel } from '../kernels.js';
import { batchLuts, type UnetLutShape } from '../models/unet-lut.js';
import { isFused } from '../ops/form.js';
import { pixelGradient, releasePatch, uploadPatch } from '../ops/resident-loss.js';
import { giveVector, takeVector } from '../ops/spare-vectors.js';
import { readFloats, regularised } from './regularised.js';
import type { Batch, StepGradient } from './step.js';

/**
 * Whether the UNet runs in its fused kernels on the host though a device is set. It has 256 positions a sample, too few
 * for a card: that waits for a thousand small launches, where the kernels take milliseconds. What is left to the device
 * are the pixels of a conv module.
 */
export const keepsUnetOnHost = (): boolean =>
  tf.getBackend() !== 'cpu' && isFused('adam') && hasKernel('unet');

/** What `compute` gives on `cpu`; the backend that is set is set again at the end. */
export const onHost = async <T>(compute: () => Promise<T>): Promise<T> => {
  const device = tf.getBackend();
  await tf.setBackend('cpu');
  try {
    return await compute();
  } finally {
    await tf.setBackend(device);
  }
};

/** A value of 0 whose gradient for `lut` is `slope`. */
const withSlope = (lut: tf.Tensor3D, slope: Float32Array): tf.Scalar => {
  const attach = tf.customGrad((values) => ({
    value: tf.scalar(0),
    gradFunc: () => tf.tensor3d(slope, (values as tf.Tensor3D).shape),
  }));
  return attach(lut) as tf.Scalar;
};

/**
 * What stepGradient computes, in two places: LUTs on the host, the pixels' loss and its gradient on the device, the
 * gradient of the UNet on the host again. Between them go the LUTs and their gradient, 4 kB a sample and band at 256
 * knots, and nothing else. The backend that is set is set again at the end.
 */
export const splitGradient = async (
  experiment: Experiment,
  shape: UnetLutShape,
  weights: { theta: Float32Array; running: Float32Array; base: Float32Array | null },
  batch: Batch,
  norm: 'batch' | 'running',
): Promise<StepGradient> => {
  const { data, loss } = experiment;
  const { knots } = shape.spec;
  const { parameterCount, runningCount } = shape.unet;
  const theta = weights.theta.subarray(0, parameterCount);
  const forward = (unetTheta: tf.Tensor1D) => batchLuts(experiment, shape, weights, batch, norm, unetTheta);
  const lut = await onHost(async () => {
    const luts = tf.tidy(() => forward(tf.tensor1d(theta)).lut);
    const values = await readFloats(luts);
    luts.dispose();
    return values;
  });

  const patches = batch.resident ?? batch.pixels!.map((patch) => uploadPatch(patch, knots, data.bandMax));
  const pixels = await pixelGradient({
    lut,
    conv: weights.theta.subarray(parameterCount),
    running: weights.running.subarray(runningCount),
    patches,
    bandMax: data.bandMax,
    norm,
  }).finally(() => {
    if (!batch.resident) patches.forEach(releasePatch);
  });

  const [ofTheta, after, tv, monotonicity] = await onHost(async () => {
    const results = tf.tidy(() => {
      let moved: tf.Tensor | null = null;
      let penalties: tf.Tensor[] = [];
      const { value, grad } = tf.valueAndGrad((unetTheta) => {
        const { running, lut: again } = forward(unetTheta as tf.Tensor1D);
        moved = tf.keep(running);
        const total = regularised(withSlope(again, pixels.ofLut), again, loss);
        penalties = total.terms.map((term) => tf.keep(term));
        return total.loss;
      })(tf.tensor1d(theta));
      value.dispose();
      return [tf.keep(grad), moved!, ...penalties];
    });
    const values = await Promise.all(results.map(readFloats));
    tf.dispose(results);
    return values;
  });
  const gradient = takeVector(shape.parameterCount);
  gradient.set(ofTheta);
  gradient.set(pixels.ofConv, parameterCount);
  const running = new Float32Array(weights.running.length);
  if (runningCount > 0) running.set(after.subarray(0, runningCount));
  running.set(pixels.running, runningCount);
  giveVector(ofTheta);
  const parts = { mse: pixels.mse, tv: tv?.[0] ?? 0, monotonicity: monotonicity?.[0] ?? 0 };
  const total = parts.mse + loss.tv * parts.tv + loss.monotonicity * parts.monotonicity;
  return { ...parts, loss: total, gradient, running };
};
