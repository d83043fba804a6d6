import * as tf from '@tensorflow/tfjs-core';
import type { Experiment } from '../config/schema.js';
import { regularisers } from '../ops/regularisers.js';

/**
 * `error` + λ_tv·tv + λ_mono·monotonicity, and the two terms by themselves: none of them where both weights are 0, as in
 * the original without `useTVLoss`.
 */
export const regularised = (
  error: tf.Scalar,
  lut: tf.Tensor3D,
  weights: Experiment['loss'],
): { loss: tf.Scalar; terms: tf.Scalar[] } => {
  if (weights.tv === 0 && weights.monotonicity === 0) return { loss: error, terms: [] };
  const { tv, monotonicity } = regularisers(lut);
  const loss = tf.addN([error, tf.mul(tv, weights.tv), tf.mul(monotonicity, weights.monotonicity)]);
  return { loss: loss as tf.Scalar, terms: [tv, monotonicity] };
};

/** A tensor's values, as soon as the device has them. */
export const readFloats = async (tensor: tf.Tensor): Promise<Float32Array> =>
  (await tensor.data()) as Float32Array;
