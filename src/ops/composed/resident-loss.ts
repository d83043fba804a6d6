import * as tf from '@tensorflow/tfjs-core';
import type { PatchPixels } from '../../dataset/patch.js';
import type { PixelGradient, PixelLossInputs } from '../resident-loss.js';
import { applyModule, sumByIndex } from './align-loss.js';
import type { GradSaver } from './conv3x3.js';

/** A patch as tensors on the device, in the order in which the conv module reads it. */
export interface PatchTensors {
  form: 'composed';
  /** Where each source value stands among the knots, [height, width, bands], in 0 … knots − 1. */
  position: tf.Tensor3D;
  /** [height, width, bands] */
  target: tf.Tensor3D;
  /** [height, width, 1] */
  mask: tf.Tensor3D;
  /** Valid pixels. */
  valid: number;
}

/** Bytes of a patch on the device. */
export const tensorBytes = ({ width, height, bands }: PatchPixels): number =>
  4 * width * height * (2 * bands + 1);

/** Brings a patch to the device that is set. */
export const uploadTensors = (
  patch: PatchPixels,
  knots: number,
  bandMax: readonly number[],
): PatchTensors => {
  const { width, height, bands, source, target, mask } = patch;
  const pixels = width * height;
  const position = new Float32Array(pixels * bands);
  const wanted = new Float32Array(pixels * bands);
  for (let band = 0; band < bands; band++) {
    const last = bandMax[band] - 1;
    const scale = (knots - 1) / last;
    for (let i = 0, from = band * pixels, at = band; i < pixels; i++, from++, at += bands) {
      const v = source[from];
      position[at] = (v < 0 ? 0 : v > last ? last : v) * scale;
      wanted[at] = target[from];
    }
  }
  let valid = 0;
  for (let i = 0; i < pixels; i++) valid += mask[i];
  const shape: [number, number, number] = [height, width, bands];
  return {
    form: 'composed',
    position: tf.tensor3d(position, shape),
    target: tf.tensor3d(wanted, shape),
    mask: tf.tensor3d(Float32Array.from(mask), [height, width, 1]),
    valid,
  };
};

/** Gives a patch's room on the device back. */
export const releaseTensors = ({ position, target, mask }: PatchTensors): void =>
  tf.dispose([position, target, mask]);

/**
 * LUTs [B, C, K] read at positions [B, H, W, C]. One look-up for all bands, and a gradient of two sums by index: gather's
 * own, band by band, is what takes the time on a graphics card. Indices are computed as floats, which hold them exactly:
 * TensorFlow keeps int32 arithmetic on the host.
 */
const readKnots = (lut: tf.Tensor3D, position: tf.Tensor4D): tf.Tensor4D => {
  const [samples, bands, knots] = lut.shape;
  const starts = Float32Array.from({ length: samples * bands }, (_, row) => row * knots);
  const lower = tf.minimum(tf.floor(position), knots - 2);
  const share = tf.reshape(tf.sub(position, lower), [-1]);
  const index = tf.add(lower, tf.tensor4d(starts, [samples, 1, 1, bands]));
  const at = tf.reshape(tf.cast(index, 'int32'), [-1]) as tf.Tensor1D;
  const above = tf.reshape(tf.cast(tf.add(index, 1), 'int32'), [-1]) as tf.Tensor1D;
  const read = tf.customGrad((values, save) => {
    const table = tf.reshape(values as tf.Tensor3D, [-1]) as tf.Tensor1D;
    const first = tf.gather(table, at);
    const value = tf.add(first, tf.mul(share, tf.sub(tf.gather(table, above), first)));
    (save as GradSaver)([at, above, share]);
    return {
      value: tf.reshape(value, position.shape),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [low, high, part] = saved as tf.Tensor1D[];
        const flat = tf.reshape(dy, [-1]) as tf.Tensor1D;
        const toUpper = tf.mul(flat, part) as tf.Tensor1D;
        const sums = tf.add(
          sumByIndex(tf.sub(flat, toUpper) as tf.Tensor1D, low, table.size),
          sumByIndex(toUpper, high, table.size),
        );
        return tf.reshape(sums, lut.shape);
      },
    };
  });
  return read(lut) as tf.Tensor4D;
};

/** The loss on patches that lie on the device, as alignLoss defines it. */
const lossOf = (
  lut: tf.Tensor3D,
  conv: tf.Tensor1D,
  running: tf.Tensor1D,
  patches: readonly PatchTensors[],
  norm: 'batch' | 'running',
): { mse: tf.Scalar; running: tf.Tensor1D } => {
  const stacked = (key: 'position' | 'target' | 'mask'): tf.Tensor4D =>
    tf.stack(patches.map((patch) => patch[key])) as tf.Tensor4D;
  const bands = lut.shape[1];
  const y = readKnots(lut, stacked('position'));
  const { out, running: kept } = applyModule(y, conv, running, norm);
  const valid = patches.reduce((sum, patch) => sum + patch.valid, 0);
  const error = tf.mul(tf.sub(out, stacked('target')), stacked('mask'));
  const mse = tf.div(tf.sum(tf.square(error)), Math.max(valid, 1) * bands);
  return { mse: mse as tf.Scalar, running: kept };
};

/** Reads tensors in one transfer. */
const readTogether = async (tensors: tf.Tensor[]): Promise<Float32Array[]> => {
  const joined = tf.tidy(() => tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1]))));
  try {
    const values = (await joined.data()) as Float32Array;
    let end = 0;
    return tensors.map(({ size }) => {
      end += size;
      return values.slice(end - size, end);
    });
  } finally {
    joined.dispose();
  }
};

/** Value and gradients from TensorFlow.js ops, for every backend; what comes back is as small as the LUTs. */
export const composedPixelGradient = async ({
  lut,
  conv,
  running,
  patches,
  bandMax,
  norm,
}: PixelLossInputs<PatchTensors>): Promise<PixelGradient> => {
  const bands = bandMax.length;
  const lutShape: [number, number, number] = [patches.length, bands, lut.length / (patches.length * bands)];
  const results: tf.Tensor[] = [];
  try {
    tf.tidy(() => {
      let kept: tf.Tensor | null = null;
      const { value, grads } = tf.valueAndGrads((knots, module) => {
        const loss = lossOf(knots as tf.Tensor3D, module as tf.Tensor1D, tf.tensor1d(running), patches, norm);
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
