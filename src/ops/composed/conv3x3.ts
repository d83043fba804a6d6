import * as tf from '@tensorflow/tfjs-core';

/** What tf.customGrad hands to its function to keep tensors for the gradient; tfjs does not export the type. */
export type GradSaver = (tensors: tf.Tensor[]) => void;

/** The filter's gradient as nine products of shifted images: TensorFlow.js's `wasm` backend has no other. */
const filterGradient = (x: tf.Tensor4D, dz: tf.Tensor4D): tf.Tensor4D =>
  tf.tidy(() => {
    const [samples, height, width, input] = x.shape;
    const output = dz.shape[3];
    const pixels = samples * height * width;
    const padded = tf.pad(x, [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ]);
    const flat = tf.reshape(dz, [pixels, output]) as tf.Tensor2D;
    const taps = Array.from({ length: 9 }, (_, tap) => {
      const shifted = tf.slice(padded, [0, Math.floor(tap / 3), tap % 3, 0], [samples, height, width, input]);
      return tf.matMul(tf.reshape(shifted, [pixels, input]) as tf.Tensor2D, flat, true);
    });
    return tf.reshape(tf.stack(taps), [3, 3, input, output]) as tf.Tensor4D;
  });

/**
 * 3×3 convolution with zero padding 1: x [B, H, W, in], filter [3, 3, in, out]; differentiable on every backend.
 * TensorFlow's library has both gradients, and good ones.
 */
export const conv3x3 = (x: tf.Tensor4D, filter: tf.Tensor4D): tf.Tensor4D => {
  if (tf.getBackend() === 'tensorflow') return tf.conv2d(x, filter, 1, 'same');
  const convolve = tf.customGrad((image, weights, save) => {
    (save as GradSaver)([image as tf.Tensor4D, weights as tf.Tensor4D]);
    return {
      value: tf.conv2d(image as tf.Tensor4D, weights as tf.Tensor4D, 1, 'same'),
      gradFunc: (dz: tf.Tensor, saved: tf.Tensor[]) => {
        const [sx, sw] = saved as [tf.Tensor4D, tf.Tensor4D];
        const turned = tf.transpose(tf.reverse(sw, [0, 1]), [0, 1, 3, 2]) as tf.Tensor4D;
        return [tf.conv2d(dz as tf.Tensor4D, turned, 1, 'same'), filterGradient(sx, dz as tf.Tensor4D)];
      },
    };
  });
  return convolve(x, filter) as tf.Tensor4D;
};
