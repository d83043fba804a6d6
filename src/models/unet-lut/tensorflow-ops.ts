import type * as TensorFlow from '@tensorflow/tfjs-core';

type Tf = typeof TensorFlow;

/** What tf.customGrad hands to its function to keep tensors for the gradient; tfjs does not export the type. */
type GradSaver = (tensors: TensorFlow.Tensor[]) => void;

/** `x` with zeros before and after along one axis. */
export const padAxis = (
  tf: Tf,
  x: TensorFlow.Tensor,
  axis: number,
  before: number,
  after: number,
): TensorFlow.Tensor =>
  tf.pad(
    x,
    x.shape.map((_, i): [number, number] => (i === axis ? [before, after] : [0, 0])),
  );

/** Sums of `dy` by index, [size]: every backend has either the weighted count or the segment sum. */
const sumByIndex = (tf: Tf, dy: TensorFlow.Tensor1D, index: TensorFlow.Tensor1D, size: number) =>
  tf.getKernel('DenseBincount', tf.getBackend())
    ? tf.denseBincount(index, dy, size)
    : tf.unsortedSegmentSum(dy, index, size);

/**
 * LUTs [samples, bands, knots] read by linear interpolation at positions [samples, height, width, bands]. gather's own
 * gradient is missing on `wasm`. Indices are computed as floats, which hold them exactly: TensorFlow keeps int32 arithmetic
 * on the host.
 */
export const readKnots = (
  tf: Tf,
  lut: TensorFlow.Tensor3D,
  position: TensorFlow.Tensor4D,
): TensorFlow.Tensor4D => {
  const [samples, bands, knots] = lut.shape;
  const starts = Float32Array.from({ length: samples * bands }, (_, row) => row * knots);
  const lower = tf.minimum(tf.floor(position), knots - 2);
  const upperWeight = tf.reshape(tf.sub(position, lower), [-1]);
  const index = tf.add(lower, tf.tensor4d(starts, [samples, 1, 1, bands]));
  const below = tf.reshape(tf.cast(index, 'int32'), [-1]) as TensorFlow.Tensor1D;
  const above = tf.reshape(tf.cast(tf.add(index, 1), 'int32'), [-1]) as TensorFlow.Tensor1D;
  const read = tf.customGrad((values, save) => {
    const table = tf.reshape(values as TensorFlow.Tensor3D, [-1]) as TensorFlow.Tensor1D;
    const first = tf.gather(table, below);
    const value = tf.add(first, tf.mul(upperWeight, tf.sub(tf.gather(table, above), first)));
    (save as GradSaver)([below, above, upperWeight]);
    return {
      value: tf.reshape(value, position.shape),
      gradFunc: (dy: TensorFlow.Tensor, saved: TensorFlow.Tensor[]) => {
        const [low, high, weight] = saved as TensorFlow.Tensor1D[];
        const flat = tf.reshape(dy, [-1]) as TensorFlow.Tensor1D;
        const toUpper = tf.mul(flat, weight) as TensorFlow.Tensor1D;
        const toLower = tf.sub(flat, toUpper) as TensorFlow.Tensor1D;
        const sums = tf.add(
          sumByIndex(tf, toLower, low, table.size),
          sumByIndex(tf, toUpper, high, table.size),
        );
        return tf.reshape(sums, lut.shape);
      },
    };
  });
  return read(lut) as TensorFlow.Tensor4D;
};

/** The filter's gradient as nine products of shifted images: `wasm` has no other. */
const filterGradient = (tf: Tf, x: TensorFlow.Tensor4D, dz: TensorFlow.Tensor4D): TensorFlow.Tensor4D =>
  tf.tidy(() => {
    const [samples, height, width, input] = x.shape;
    const output = dz.shape[3];
    const pixels = samples * height * width;
    const padded = padAxis(tf, padAxis(tf, x, 1, 1, 1), 2, 1, 1);
    const flat = tf.reshape(dz, [pixels, output]) as TensorFlow.Tensor2D;
    const taps = Array.from({ length: 9 }, (_, tap) => {
      const at = [0, Math.floor(tap / 3), tap % 3, 0];
      const shifted = tf.slice(padded, at, [samples, height, width, input]);
      return tf.matMul(tf.reshape(shifted, [pixels, input]) as TensorFlow.Tensor2D, flat, true);
    });
    return tf.reshape(tf.stack(taps), [3, 3, input, output]) as TensorFlow.Tensor4D;
  });

/** 3×3 convolution with zero padding 1: x [samples, height, width, in], weight [out, in, 3, 3] as in PyTorch. */
export const conv3x3 = (tf: Tf, x: TensorFlow.Tensor4D, weight: TensorFlow.Tensor4D): TensorFlow.Tensor4D => {
  const filter = tf.transpose(weight, [2, 3, 1, 0]) as TensorFlow.Tensor4D;
  // TensorFlow's own library has both gradients, and good ones
  if (tf.getBackend() === 'tensorflow') return tf.conv2d(x, filter, 1, 'same');
  const convolve = tf.customGrad((image, kernel, save) => {
    (save as GradSaver)([image as TensorFlow.Tensor4D, kernel as TensorFlow.Tensor4D]);
    return {
      value: tf.conv2d(image as TensorFlow.Tensor4D, kernel as TensorFlow.Tensor4D, 1, 'same'),
      gradFunc: (dz: TensorFlow.Tensor, saved: TensorFlow.Tensor[]) => {
        const [sx, sw] = saved as [TensorFlow.Tensor4D, TensorFlow.Tensor4D];
        const turned = tf.transpose(tf.reverse(sw, [0, 1]), [0, 1, 3, 2]) as TensorFlow.Tensor4D;
        return [
          tf.conv2d(dz as TensorFlow.Tensor4D, turned, 1, 'same'),
          filterGradient(tf, sx, dz as TensorFlow.Tensor4D),
        ];
      },
    };
  });
  return convolve(x, filter) as TensorFlow.Tensor4D;
};
