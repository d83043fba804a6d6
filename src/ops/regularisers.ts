import * as tf from '@tensorflow/tfjs-core';
import { isFused } from './form.js';
import { registerCpuKernel } from './fused/cpu-backend.js';

/** Total variation and decrease of a batch of LUTs, both scalars. */
export interface Regularisers {
  tv: tf.Scalar;
  monotonicity: tf.Scalar;
}

const composed = (lut: tf.Tensor3D): Regularisers => {
  const [batch, bands, knots] = lut.shape;
  const differences = knots - 1;
  const weight = tf.tidy(() => {
    const ends = new Float32Array(differences).fill(1);
    ends[0] = 2;
    ends[differences - 1] = 2;
    return tf.tensor3d(ends, [1, 1, differences]);
  });
  const d = tf.sub(
    tf.slice(lut, [0, 0, 0], [batch, bands, differences]),
    tf.slice(lut, [0, 0, 1], [batch, bands, differences]),
  );
  // mean over batch·bands·(knots−1), times numel = batch·bands·knots
  const factor = knots / differences;
  return {
    tv: tf.mul(tf.sum(tf.mul(tf.square(d), weight)), factor) as tf.Scalar,
    monotonicity: tf.mul(tf.sum(tf.relu(d)), factor) as tf.Scalar,
  };
};

const kernelName = 'BandalignRegularisers';

registerCpuKernel<object>(kernelName, ({ values, shape, result }) => {
  const lut = values('lut')!;
  const knots = shape('lut')[2];
  const factor = knots / (knots - 1);
  const [dTv, dMonotonicity] = [new Float32Array(lut.length), new Float32Array(lut.length)];
  let [tv, monotonicity] = [0, 0];
  for (let row = 0; row < lut.length; row += knots)
    for (let k = row; k < row + knots - 1; k++) {
      const d = lut[k] - lut[k + 1];
      const weight = k === row || k === row + knots - 2 ? 2 : 1;
      tv += d * d * weight;
      const slope = 2 * d * weight * factor;
      dTv[k] += slope;
      dTv[k + 1] -= slope;
      if (d <= 0) continue;
      monotonicity += d;
      dMonotonicity[k] += factor;
      dMonotonicity[k + 1] -= factor;
    }
  return [
    result([], Float32Array.of(tv * factor)),
    result([], Float32Array.of(monotonicity * factor)),
    result(shape('lut'), dTv),
    result(shape('lut'), dMonotonicity),
  ];
});

const gradientName = `${kernelName}Gradient`;

/** Both scaled slopes added, rounded as tf.mul and tf.add would: those take ten times as long for it. */
registerCpuKernel<object>(gradientName, ({ values, shape, result }) => {
  const [dTv, dMonotonicity] = [values('dTv')!, values('dMonotonicity')!];
  const [tv, monotonicity] = [values('tv')![0], values('monotonicity')![0]];
  const gradient = new Float32Array(dTv.length);
  for (let i = 0; i < gradient.length; i++)
    gradient[i] = Math.fround(dTv[i] * tv) + Math.fround(dMonotonicity[i] * monotonicity);
  return result(shape('dTv'), gradient);
});

tf.registerGradient({
  kernelName,
  outputsToSave: [false, false, true, true],
  gradFunc: (dy, [dTv, dMonotonicity]) => ({
    lut: () => {
      const [tv, monotonicity] = dy as tf.Tensor[];
      const inputs = { dTv, dMonotonicity, tv, monotonicity };
      return tf.engine().runKernel(gradientName, inputs) as tf.Tensor;
    },
  }),
});

/**
 * The published regularisers of a batch of LUTs [batch, bands, knots] (design: models; TV_1D of the original, the 1-D
 * form of Image-Adaptive-3DLUT's). With d[k] = L[k] − L[k+1]: tv = mean(d²·w)·numel(L), w = 2 at the first and last
 * difference, else 1; monotonicity = mean(ReLU(d))·numel(L).
 */
export const regularisers = (lut: tf.Tensor3D): Regularisers => {
  if (!isFused('regularisers')) return composed(lut);
  const [tv, monotonicity] = tf.engine().runKernel(kernelName, { lut }) as tf.Scalar[];
  return { tv, monotonicity };
};
