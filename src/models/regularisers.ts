import * as tf from '@tensorflow/tfjs-core';

/** Total variation and decrease of a batch of LUTs, both scalars. */
export interface Regularisers {
  tv: tf.Scalar;
  monotonicity: tf.Scalar;
}

/**
 * The published regularisers of a batch of LUTs [batch, bands, knots] (design: models; TV_1D of the original, the 1-D
 * form of Image-Adaptive-3DLUT's). With d[k] = L[k] − L[k+1]: tv = mean(d²·w)·numel(L), w = 2 at the first and last
 * difference, else 1; monotonicity = mean(ReLU(d))·numel(L).
 */
export const regularisers = (lut: tf.Tensor3D): Regularisers => {
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
