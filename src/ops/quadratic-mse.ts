import * as tf from '@tensorflow/tfjs-core';
import { formOf } from './form.js';
import { registerCpuKernel } from './fused/cpu-backend.js';
import { scale } from './scale.js';

/**
 * Rows of the statistics table for one batch: A and b of each sample and band centred at the identity LUT
 * (dataset/statistics-table.ts), arrays [batch·bands·knots]; `constant` and `count` [batch·bands].
 */
export interface QuadraticBatch {
  diagonal: Float32Array;
  /** Couples knots k and k+1; the last entry of a row is 0. */
  offDiagonal: Float32Array;
  linear: Float32Array;
  constant: Float64Array;
  count: Float64Array;
  /** Identity LUT, [bands·knots]. */
  identity: Float32Array;
}

const total = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

/** Σ over samples and bands of δᵀAδ − 2·linearᵀδ + constant, float64, and its gradient 2(Aδ − linear)/n. */
const evaluate = (lut: Float32Array, shape: readonly number[], batch: QuadraticBatch, n: number) => {
  const [samples, bands, knots] = shape;
  const { diagonal, offDiagonal, linear, identity } = batch;
  const gradient = new Float32Array(lut.length);
  let sse = 0;
  for (let row = 0; row < samples * bands; row++) {
    const start = row * knots;
    const base = (row % bands) * knots;
    let before = 0;
    let here = lut[start] - identity[base];
    let couplingBefore = 0;
    sse += batch.constant[row];
    for (let k = 0; k < knots; k++) {
      const after = k + 1 < knots ? lut[start + k + 1] - identity[base + k + 1] : 0;
      const coupling = offDiagonal[start + k];
      const product = couplingBefore * before + diagonal[start + k] * here + coupling * after;
      sse += here * (product - 2 * linear[start + k]);
      gradient[start + k] = (2 * (product - linear[start + k])) / n;
      before = here;
      here = after;
      couplingBefore = coupling;
    }
  }
  return { mse: sse / n, gradient };
};

registerCpuKernel<{ batch: QuadraticBatch; n: number }>(
  'BandalignQuadraticMse',
  ({ values, shape, attributes: { batch, n }, result }) => {
    const { mse, gradient } = evaluate(values('lut')!, shape('lut'), batch, n);
    return [result([], Float32Array.of(mse)), result(shape('lut'), gradient)];
  },
);

tf.registerGradient({
  kernelName: 'BandalignQuadraticMse',
  outputsToSave: [false, true],
  gradFunc: (dy, saved) => ({ lut: () => scale(saved[0], (dy as tf.Tensor[])[0]) }),
});

const composed = (lut: tf.Tensor3D, batch: QuadraticBatch, n: number): tf.Scalar => {
  const [samples, bands, knots] = lut.shape;
  const rows = (values: Float32Array): tf.Tensor3D => tf.tensor3d(values, [samples, bands, knots]);
  const delta = tf.sub(lut, tf.tensor3d(batch.identity, [1, bands, knots])) as tf.Tensor3D;
  const after = tf.pad(tf.slice(delta, [0, 0, 1], [samples, bands, knots - 1]), [
    [0, 0],
    [0, 0],
    [0, 1],
  ]);
  const own = tf.mul(delta, tf.sub(tf.mul(rows(batch.diagonal), delta), tf.mul(rows(batch.linear), 2)));
  const coupled = tf.mul(tf.mul(rows(batch.offDiagonal), 2), tf.mul(delta, after));
  // scaled before summing: float32 sums of 10¹² would lose what 10⁶ keeps
  const sse = tf.sum(tf.div(tf.add(own, coupled), n));
  return tf.add(sse, total(batch.constant) / n) as tf.Scalar;
};

/**
 * Mean squared error over all valid pixels and bands of a batch, from sufficient statistics alone: exactly what the
 * pixels give for a LUT read by linear interpolation (design: data). 0, with zero gradient, when no pixel is valid.
 *
 * @param lut LUTs in stored units, [batch, bands, knots]
 */
export const quadraticMse = (lut: tf.Tensor3D, batch: QuadraticBatch): tf.Scalar => {
  const n = Math.max(1, total(batch.count));
  if (formOf('quadratic-mse').form === 'composed') return composed(lut, batch, n);
  return (
    tf
      .engine()
      .runKernel('BandalignQuadraticMse', { lut }, { batch, n } as unknown as tf.NamedAttrMap) as tf.Tensor[]
  )[0] as tf.Scalar;
};
