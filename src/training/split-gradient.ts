import * as tf from '@tensorflow/tfjs-core';
import type { Experiment } from '../config/schema.js';
import { hasKernel } from '../kernels.js';
import { batchLuts, type UnetLutShape } from '../models/unet-lut.js';
import {
  type ResidentPatch,
  releasePatch,
  residentAlignLoss,
  uploadPatch,
} from '../ops/composed/resident-loss.js';
import { isFused } from '../ops/form.js';
import { giveVector, takeVector } from '../ops/spare-vectors.js';
import { readFloats, regularised } from './regularised.js';
import type { Batch, StepGradient } from './step.js';

/**
 * Whether a step is split: the pixels on the device, the UNet in its fused kernels on the host. The UNet has 256
 * positions a sample, too few for a card: it waits for a thousand small launches, where the kernels take milliseconds.
 */
export const splitsSteps = (shape: UnetLutShape): boolean =>
  shape.conv !== null && tf.getBackend() !== 'cpu' && isFused('adam') && hasKernel('unet');

/** Reads tensors in one transfer. */
const readTogether = async (tensors: tf.Tensor[]): Promise<Float32Array[]> => {
  const joined = tf.tidy(() => tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1]))));
  try {
    const values = await readFloats(joined);
    let end = 0;
    return tensors.map(({ size }) => {
      end += size;
      return values.slice(end - size, end);
    });
  } finally {
    joined.dispose();
  }
};

/** Loss of the pixels and its gradients for the LUTs and the conv module, on the backend that is set. */
const pixelGradient = async (
  lut: Float32Array,
  lutShape: [number, number, number],
  conv: Float32Array,
  running: Float32Array,
  patches: readonly ResidentPatch[],
  norm: 'batch' | 'running',
) => {
  const results: tf.Tensor[] = [];
  try {
    tf.tidy(() => {
      let kept: tf.Tensor | null = null;
      const { value, grads } = tf.valueAndGrads((knots, module) => {
        const loss = residentAlignLoss(
          knots as tf.Tensor3D,
          module as tf.Tensor1D,
          tf.tensor1d(running),
          patches,
          norm,
        );
        kept = tf.keep(loss.running);
        return loss.mse;
      })([tf.tensor3d(lut, lutShape), tf.tensor1d(conv)]);
      results.push(value, ...grads, kept!);
      for (const tensor of results) tf.keep(tensor);
    });
    const [mse, ofLut, ofConv, after] = await readTogether(results);
    return { mse: mse[0], ofLut, ofConv, running: after };
  } finally {
    tf.dispose(results);
  }
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
  const { bands, knots } = shape.spec;
  const { parameterCount, runningCount } = shape.unet;
  const device = tf.getBackend();
  const theta = weights.theta.subarray(0, parameterCount);
  const forward = (unetTheta: tf.Tensor1D) => batchLuts(experiment, shape, weights, batch, norm, unetTheta);
  try {
    await tf.setBackend('cpu');
    const luts = tf.tidy(() => forward(tf.tensor1d(theta)).lut);
    const lut = await readFloats(luts);
    luts.dispose();

    await tf.setBackend(device);
    const patches = batch.resident ?? batch.pixels!.map((patch) => uploadPatch(patch, knots, data.bandMax));
    const pixels = await pixelGradient(
      lut,
      [batch.samples, bands, knots],
      weights.theta.subarray(parameterCount),
      weights.running.subarray(runningCount),
      patches,
      norm,
    ).finally(() => {
      if (!batch.resident) patches.forEach(releasePatch);
    });

    await tf.setBackend('cpu');
    const results = tf.tidy(() => {
      let after: tf.Tensor | null = null;
      let penalties: tf.Tensor[] = [];
      const { value, grad } = tf.valueAndGrad((unetTheta) => {
        const { running, lut: again } = forward(unetTheta as tf.Tensor1D);
        after = tf.keep(running);
        const along = tf.sum(tf.mul(again, tf.tensor3d(pixels.ofLut, again.shape)));
        const total = regularised(along as tf.Scalar, again, loss);
        penalties = total.terms.map((term) => tf.keep(term));
        return total.loss;
      })(tf.tensor1d(theta));
      value.dispose();
      return [tf.keep(grad), after!, ...penalties];
    });
    const [ofTheta, after, tv, monotonicity] = await Promise.all(results.map(readFloats));
    const gradient = takeVector(shape.parameterCount);
    gradient.set(ofTheta);
    gradient.set(pixels.ofConv, parameterCount);
    const running = new Float32Array(weights.running.length);
    if (runningCount > 0) running.set(after.subarray(0, runningCount));
    running.set(pixels.running, runningCount);
    tf.dispose(results);
    giveVector(ofTheta);
    const parts = { mse: pixels.mse, tv: tv?.[0] ?? 0, monotonicity: monotonicity?.[0] ?? 0 };
    const total = parts.mse + loss.tv * parts.tv + loss.monotonicity * parts.monotonicity;
    return { ...parts, loss: total, gradient, running };
  } finally {
    await tf.setBackend(device);
  }
};
