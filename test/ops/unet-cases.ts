import * as tf from '@tensorflow/tfjs-core';
import { type Form, insistOnForm } from '../../src/ops/form.js';
import { initialise, initialRunning } from '../../src/ops/initialise.js';
import { unet } from '../../src/ops/unet.js';
import { type UnetSpec, unetLayout } from '../../src/ops/unet-layout.js';
import { random } from './pixels.js';

/** Values of one call of the UNet, and the weights of the sum over its output that is differentiated. */
export interface UnetCase {
  spec: UnetSpec;
  batch: number;
  norm: 'batch' | 'running';
  theta: Float32Array;
  running: Float32Array;
  x: Float32Array;
  weight: Float32Array;
}

/** Random values with norms, biases and running statistics away from their defaults. */
export const unetCase = (
  spec: UnetSpec,
  batch: number,
  norm: 'batch' | 'running',
  seed: number,
): UnetCase => {
  const next = random(seed);
  const layout = unetLayout(spec);
  const theta = initialise(layout, next);
  for (const { shape, offset, size } of layout.parameters)
    if (shape.length === 1) for (let i = 0; i < size; i++) theta[offset + i] += 0.4 * next() - 0.2;
  const running = initialRunning(layout).map((value) => value * (0.05 + next()) + 0.04 * (next() - 0.5));
  const size = batch * spec.bands * spec.knots;
  return {
    spec,
    batch,
    norm,
    theta,
    running: running.map((value) => Math.max(value, -0.02)),
    x: Float32Array.from({ length: size }, () => next()),
    weight: Float32Array.from({ length: size }, () => next() - 0.5),
  };
};

const shape = ({ batch, spec }: UnetCase): [number, number, number] => [batch, spec.bands, spec.knots];

/** The op's output and updated statistics; the caller disposes of nothing. */
export const unetForward = (values: UnetCase, form: Form): { out: Float32Array; moved: Float32Array } => {
  insistOnForm(form);
  return tf.tidy(() => {
    const { out, running } = unet({
      theta: tf.tensor1d(values.theta),
      running: tf.tensor1d(values.running),
      x: tf.tensor3d(values.x, shape(values)),
      spec: values.spec,
      norm: values.norm,
    });
    return { out: out.dataSync() as Float32Array, moved: running.dataSync() as Float32Array };
  });
};

/** Gradient of Σ weight·out in theta; `between` runs between the forward and the backward pass. */
export const unetGradient = (values: UnetCase, form: Form, between: () => void = () => {}): Float32Array => {
  insistOnForm(form);
  return tf.tidy(() => {
    const running = tf.tensor1d(values.running);
    const x = tf.tensor3d(values.x, shape(values));
    const weight = tf.tensor3d(values.weight, shape(values));
    const loss = (theta: tf.Tensor): tf.Scalar => {
      const inputs = { theta: theta as tf.Tensor1D, running, x, spec: values.spec, norm: values.norm };
      const sum = tf.sum(tf.mul(unet(inputs).out, weight)) as tf.Scalar;
      between();
      insistOnForm(form);
      return sum;
    };
    return tf.grad(loss)(tf.tensor1d(values.theta)).dataSync() as Float32Array;
  });
};
