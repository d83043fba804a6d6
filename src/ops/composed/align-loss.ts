import * as tf from '@tensorflow/tfjs-core';
import type { PatchPixels } from '../../dataset/patch.js';
import type { AlignLoss, AlignLossInputs } from '../align-loss.js';
import { knotPositions } from '../apply-mapping.js';
import { normEpsilon, normMomentum } from '../unet-signature.js';
import { conv3x3, type GradSaver } from './conv3x3.js';

/**
 * Sums of `dy` by index, [size]: a weighted count. tf.unsortedSegmentSum visits every pixel once per table entry on
 * `cpu` and is missing on `wasm`; the count is missing on `tensorflow`, whose segment sum is good.
 */
export const sumByIndex = (dy: tf.Tensor1D, index: tf.Tensor1D, size: number): tf.Tensor1D =>
  tf.getKernel('DenseBincount', tf.getBackend())
    ? tf.denseBincount(index, dy, size)
    : tf.unsortedSegmentSum(dy, index, size);

/** `gather(table, index)` of flat tables, with a gradient that every backend has. */
const readTable = (table: tf.Tensor1D, index: tf.Tensor1D): tf.Tensor1D => {
  const read = tf.customGrad((values, save) => {
    (save as GradSaver)([index]);
    return {
      value: tf.gather(values as tf.Tensor1D, index),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
        sumByIndex(dy as tf.Tensor1D, saved[0] as tf.Tensor1D, table.size),
    };
  });
  return read(table) as tf.Tensor1D;
};

/** LUT of every pixel of a band: [B·H·W]. */
const bandOutput = (
  lut: tf.Tensor3D,
  batch: readonly PatchPixels[],
  band: number,
  bandMax: number,
): tf.Tensor1D => {
  const [samples, , knots] = lut.shape;
  const pixels = batch[0].width * batch[0].height;
  const { knot, weight } = knotPositions(knots, bandMax);
  const index = new Int32Array(samples * pixels);
  const upper = new Float32Array(samples * pixels);
  batch.forEach(({ source }, sample) => {
    for (let i = 0; i < pixels; i++) {
      const v = Math.max(0, Math.min(bandMax - 1, source[band * pixels + i]));
      index[sample * pixels + i] = sample * knots + knot[v];
      upper[sample * pixels + i] = weight[v];
    }
  });
  const values = tf.reshape(tf.slice(lut, [0, band, 0], [samples, 1, knots]), [
    samples * knots,
  ]) as tf.Tensor1D;
  const at = tf.tensor1d(index, 'int32');
  const share = tf.tensor1d(upper);
  return tf.add(
    tf.mul(readTable(values, at), tf.sub(1, share)),
    tf.mul(readTable(values, tf.add(at, tf.scalar(1, 'int32'))), share),
  );
};

/** [B, H, W, C] of planar int16 pixels. */
const interleave = (batch: readonly PatchPixels[], of: 'source' | 'target'): tf.Tensor4D => {
  const { width, height, bands } = batch[0];
  const planes = batch.map((patch) => tf.tensor3d(Float32Array.from(patch[of]), [bands, height, width]));
  return tf.transpose(tf.stack(planes), [0, 2, 3, 1]) as tf.Tensor4D;
};

/** The conv module on LUT outputs [B, H, W, C]: `y + ReLU(BN(conv3×3(y) + bias))`, and the running statistics after it. */
export const applyModule = (
  y: tf.Tensor4D,
  conv: tf.Tensor1D,
  running: tf.Tensor1D,
  norm: 'batch' | 'running',
): { out: tf.Tensor4D; running: tf.Tensor1D } => {
  const [samples, height, width, bands] = y.shape;
  const vector = (tensor: tf.Tensor1D, at: number): tf.Tensor1D =>
    tf.slice(tensor, [at], [bands]) as tf.Tensor1D;
  const weights = bands * bands * 9;
  const filter = tf.transpose(
    tf.reshape(tf.slice(conv, [0], [weights]), [bands, bands, 3, 3]),
    [2, 3, 1, 0],
  ) as tf.Tensor4D;
  const z = tf.add(conv3x3(y, filter), vector(conv, weights));
  let mean = vector(running, 0);
  let variance = vector(running, bands);
  let kept: tf.Tensor1D = tf.clone(running);
  if (norm === 'batch') {
    const moments = tf.moments(z, [0, 1, 2]);
    mean = moments.mean as tf.Tensor1D;
    variance = moments.variance as tf.Tensor1D;
    const n = samples * height * width;
    const unbiased = tf.mul(variance, n / Math.max(n - 1, 1));
    kept = tf.add(tf.mul(running, 1 - normMomentum), tf.mul(tf.concat([mean, unbiased]), normMomentum));
  }
  const normal = tf.div(tf.sub(z, mean), tf.sqrt(tf.add(variance, normEpsilon)));
  const gamma = vector(conv, weights + bands);
  const beta = vector(conv, weights + 2 * bands);
  return { out: tf.add(y, tf.relu(tf.add(tf.mul(normal, gamma), beta))), running: kept };
};

/** {@link alignLoss} from TensorFlow.js ops, for every backend. */
export const composedAlignLoss = ({ lut, conv, running, batch, bandMax, norm }: AlignLossInputs): AlignLoss =>
  tf.tidy(() => {
    const { width, height, bands } = batch[0];
    const samples = batch.length;
    const y = tf.reshape(
      tf.stack(
        bandMax.map((max, band) => bandOutput(lut, batch, band, max)),
        1,
      ),
      [samples, height, width, bands],
    ) as tf.Tensor4D;
    const { out, running: kept } = applyModule(y, conv, running, norm);
    let valid = 0;
    const mask = new Float32Array(samples * height * width);
    batch.forEach((patch, sample) => {
      for (let i = 0; i < width * height; i++) {
        mask[sample * width * height + i] = patch.mask[i];
        valid += patch.mask[i];
      }
    });
    const error = tf.mul(
      tf.sub(out, interleave(batch, 'target')),
      tf.tensor4d(mask, [samples, height, width, 1]),
    );
    const mse = tf.div(tf.sum(tf.square(error)), Math.max(valid, 1) * bands);
    return { mse: mse as tf.Scalar, running: kept };
  });
