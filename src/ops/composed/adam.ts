import * as tf from '@tensorflow/tfjs-core';
import { type AdamStep, biasCorrections } from '../adam-signature.js';

/** Adam in plain JavaScript: float64 within an element, rounded once when it is stored. */
export const loopAdam = (options: AdamStep): void => {
  const { theta, gradient, m, v, ema, beta1, beta2, epsilon, weightDecay, emaDecay } = options;
  const { stepSize, correction } = biasCorrections(options);
  for (let i = 0; i < theta.length; i++) {
    const slope = gradient[i] + weightDecay * theta[i];
    m[i] = beta1 * m[i] + (1 - beta1) * slope;
    v[i] = beta2 * v[i] + (1 - beta2) * slope * slope;
    theta[i] -= (stepSize * m[i]) / (Math.sqrt(v[i]) * correction + epsilon);
    if (ema) ema[i] += (1 - emaDecay) * (theta[i] - ema[i]);
  }
};

/** The state of Adam as tensors that stay on their device. */
export interface AdamTensors {
  theta: tf.Tensor1D;
  m: tf.Tensor1D;
  v: tf.Tensor1D;
  ema: tf.Tensor1D | null;
}

/**
 * The same step in TensorFlow.js ops, for backends whose tensors lie on a device. Returns the new state and disposes
 * of the old one.
 */
export const adamStepTensors = (
  state: AdamTensors,
  gradient: tf.Tensor1D,
  options: Omit<AdamStep, 'theta' | 'gradient' | 'm' | 'v' | 'ema'>,
): AdamTensors => {
  const { beta1, beta2, epsilon, weightDecay, emaDecay } = options;
  const { stepSize, correction } = biasCorrections(options);
  const [theta, m, v, ema] = tf.tidy(() => {
    const slope = tf.add(gradient, tf.mul(state.theta, weightDecay));
    const m = tf.add(tf.mul(state.m, beta1), tf.mul(slope, 1 - beta1)) as tf.Tensor1D;
    const v = tf.add(tf.mul(state.v, beta2), tf.mul(tf.square(slope), 1 - beta2)) as tf.Tensor1D;
    const denominator = tf.add(tf.mul(tf.sqrt(v), correction), epsilon);
    const theta = tf.sub(state.theta, tf.mul(tf.div(m, denominator), stepSize)) as tf.Tensor1D;
    const { ema: old } = state;
    if (!old) return [theta, m, v];
    return [theta, m, v, tf.add(old, tf.mul(tf.sub(theta, old), 1 - emaDecay)) as tf.Tensor1D];
  });
  tf.dispose([state.theta, state.m, state.v]);
  state.ema?.dispose();
  return { theta, m, v, ema: ema ?? null };
};
