import type * as TensorFlow from '@tensorflow/tfjs-core';
import { normEpsilon, normMomentum, type UnetSpec } from '../../engine/layout.js';
import type { StatisticsBatch } from '../../engine/statistics-error.js';
import { conv3x3, padAxis, readKnots } from './tensorflow-ops.js';

type Tf = typeof TensorFlow;
type Named = Record<string, TensorFlow.Tensor>;

/** A batch norm's statistics: those of this batch (training), or the running ones. */
export type Norm = 'batch' | 'running';

const movedTowards = (tf: Tf, old: TensorFlow.Tensor, now: TensorFlow.Tensor): TensorFlow.Tensor =>
  tf.add(tf.mul(old, 1 - normMomentum), tf.mul(now, normMomentum));

/** (x − mean)/√(variance + ε), and the running statistics moved towards this batch's mean and unbiased variance. */
const batchNorm = (
  tf: Tf,
  x: TensorFlow.Tensor,
  running: { mean: TensorFlow.Tensor; variance: TensorFlow.Tensor },
  norm: Norm,
) => {
  const standardised = (mean: TensorFlow.Tensor, variance: TensorFlow.Tensor): TensorFlow.Tensor =>
    tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, normEpsilon)));
  if (norm === 'running') return { values: standardised(running.mean, running.variance), running };
  const overPixels = x.shape.slice(0, -1).map((_, axis) => axis);
  const mean = tf.mean(x, overPixels);
  const variance = tf.mean(tf.square(tf.sub(x, mean)), overPixels);
  const count = x.size / mean.size;
  const unbiased = tf.mul(variance, count / Math.max(count - 1, 1));
  return {
    values: standardised(mean, variance),
    running: {
      mean: movedTowards(tf, running.mean, mean),
      variance: movedTowards(tf, running.variance, unbiased),
    },
  };
};

/** Each group of channels of a sample standardised over its positions (x is [samples, length, channels]). */
const groupNorm = (tf: Tf, x: TensorFlow.Tensor, groups: number): TensorFlow.Tensor => {
  const [samples, length, channels] = x.shape;
  const grouped = tf.reshape(x, [samples, length, groups, channels / groups]);
  const centred = tf.sub(grouped, tf.mean(grouped, [1, 3], true));
  const variance = tf.mean(tf.square(centred), [1, 3], true);
  return tf.reshape(tf.mul(centred, tf.rsqrt(tf.add(variance, normEpsilon))), x.shape);
};

/** x [samples, length, in] times a matrix [in, out], at every position. */
const times = (tf: Tf, x: TensorFlow.Tensor, matrix: TensorFlow.Tensor): TensorFlow.Tensor => {
  const [samples, length, input] = x.shape;
  const product = tf.matMul(
    tf.reshape(x, [samples * length, input]) as TensorFlow.Tensor2D,
    matrix as TensorFlow.Tensor2D,
  );
  return tf.reshape(product, [samples, length, -1]);
};

/** Convolution of 3 with zero padding 1; weight [out, in, 3] as in PyTorch. Without conv1d, whose gradient `wasm` lacks. */
const conv3 = (
  tf: Tf,
  x: TensorFlow.Tensor,
  weight: TensorFlow.Tensor,
  bias: TensorFlow.Tensor,
): TensorFlow.Tensor => {
  const [samples, length, input] = x.shape;
  const padded = padAxis(tf, x, 1, 1, 1);
  const taps = tf
    .unstack(tf.transpose(weight, [2, 1, 0]))
    .map((tap, t) => times(tf, tf.slice(padded, [0, t, 0], [samples, length, input]), tap));
  return tf.add(tf.addN(taps), bias);
};

/** Transposed convolution of 2, stride 2: each position becomes two; weight [in, out, 2]. */
const up2 = (
  tf: Tf,
  x: TensorFlow.Tensor,
  weight: TensorFlow.Tensor,
  bias: TensorFlow.Tensor,
): TensorFlow.Tensor => {
  const [samples, length] = x.shape;
  const taps = tf.unstack(weight, 2).map((tap) => times(tf, x, tap));
  return tf.add(tf.reshape(tf.stack(taps, 2), [samples, 2 * length, -1]), bias);
};

/** The larger of each two neighbours; of equals the first has the gradient, as in PyTorch. An odd last one is left. */
const pool2 = (tf: Tf, x: TensorFlow.Tensor): TensorFlow.Tensor => {
  const [samples, length, channels] = x.shape;
  const half = length >> 1;
  const even = tf.slice(x, [0, 0, 0], [samples, 2 * half, channels]);
  const [first, second] = tf.split(tf.reshape(even, [samples, half, 2 * channels]), 2, 2);
  return tf.maximum(first, second);
};

/**
 * The published 1-D UNet (the original program's `UNet`): per level a convolution of 3, norm and ReLU, twice; max-pool of 2
 * down; transposed convolution of 2 up, zero-padded at its end to the skip's length, behind the skip; a 1×1 convolution.
 *
 * @param x histograms, [samples, bands, knots]
 * @returns `out` of the same shape, and the running statistics after this batch
 */
export const unet = (
  tf: Tf,
  weights: Named,
  running: Named,
  x: TensorFlow.Tensor3D,
  spec: UnetSpec,
  norm: Norm,
) => {
  const moved: Named = { ...running };
  const convNormRelu = (input: TensorFlow.Tensor, conv: string, normName: string): TensorFlow.Tensor => {
    const y = conv3(tf, input, weights[`${conv}.weight`], weights[`${conv}.bias`]);
    let standard: TensorFlow.Tensor;
    if (spec.norm === 'group') standard = groupNorm(tf, y, spec.groups);
    else {
      const [mean, variance] = [`${normName}.running_mean`, `${normName}.running_var`];
      const normed = batchNorm(tf, y, { mean: running[mean], variance: running[variance] }, norm);
      standard = normed.values;
      Object.assign(moved, { [mean]: normed.running.mean, [variance]: normed.running.variance });
    }
    return tf.relu(tf.add(tf.mul(standard, weights[`${normName}.weight`]), weights[`${normName}.bias`]));
  };
  const doubleConv = (input: TensorFlow.Tensor, block: string): TensorFlow.Tensor => {
    const name = `unet.${block}.double_conv`;
    return convNormRelu(convNormRelu(input, `${name}.0`, `${name}.1`), `${name}.3`, `${name}.4`);
  };
  const skips = [doubleConv(tf.transpose(x, [0, 2, 1]), 'inc')];
  for (let level = 1; level <= spec.depth; level++)
    skips.push(doubleConv(pool2(tf, skips[level - 1]), `down${level}.maxpool_conv.1`));
  let current = skips[spec.depth];
  for (let step = 1; step <= spec.depth; step++) {
    const skip = skips[spec.depth - step];
    const below = up2(tf, current, weights[`unet.up${step}.up.weight`], weights[`unet.up${step}.up.bias`]);
    const full = padAxis(tf, below, 1, 0, skip.shape[1]! - below.shape[1]!);
    current = doubleConv(tf.concat([skip, full], 2), `up${step}.conv`);
  }
  const last = tf.transpose(tf.squeeze(weights['unet.outc.conv.weight'], [2]));
  const raw = tf.add(times(tf, current, last), weights['unet.outc.conv.bias']);
  return { out: tf.transpose(raw, [0, 2, 1]) as TensorFlow.Tensor3D, running: moved };
};

/** LUTs in stored units: ReLU(out)·scale, or base + out·scale over a LUT [bands, knots]. */
export const lutHead = (tf: Tf, out: TensorFlow.Tensor3D, base: TensorFlow.Tensor | null, scale: number) =>
  (base === null ? tf.mul(tf.relu(out), scale) : tf.add(base, tf.mul(out, scale))) as TensorFlow.Tensor3D;

/**
 * Mean squared error over all valid pixels and bands of a batch from sufficient statistics: Σ(δᵀAδ − 2bᵀδ + c)/n with
 * δ = LUT − identity, A tridiagonal. Exactly what the pixels give for a LUT that is read by linear interpolation.
 */
export const statisticsError = (
  tf: Tf,
  lut: TensorFlow.Tensor3D,
  batch: StatisticsBatch,
): TensorFlow.Scalar => {
  const [samples, bands, knots] = lut.shape;
  const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
  const rows = (values: Float32Array) => tf.tensor3d(values, [samples, bands, knots]);
  const n = Math.max(1, sum(batch.count));
  const delta = tf.sub(lut, tf.tensor3d(batch.identity, [1, bands, knots]));
  const next = padAxis(tf, tf.slice(delta, [0, 0, 1], [samples, bands, knots - 1]), 2, 0, 1);
  const own = tf.mul(delta, tf.sub(tf.mul(rows(batch.diagonal), delta), tf.mul(rows(batch.linear), 2)));
  const coupled = tf.mul(tf.mul(rows(batch.offDiagonal), 2), tf.mul(delta, next));
  // divided before it is summed: float32 sums of 10¹² would lose what 10⁶ keeps
  return tf.add(tf.sum(tf.div(tf.add(own, coupled), n)), sum(batch.constant) / n) as TensorFlow.Scalar;
};

/** Patches of one size as tensors. */
export interface PixelTensors {
  /** Where each source value stands among the knots, in 0 … knots − 1; [samples, height, width, bands]. */
  position: TensorFlow.Tensor4D;
  target: TensorFlow.Tensor4D;
  /** 1 where valid, else 0; [samples, height, width, 1]. */
  mask: TensorFlow.Tensor4D;
  /** Valid pixels. */
  valid: number;
}

/**
 * Mean squared error over all valid pixels and bands of a batch with the conv module behind the LUT: y = LUT(source),
 * out = y + ReLU(BN(conv3×3(y) + bias)), batch norm over all pixels, valid or not.
 */
export const pixelError = (
  tf: Tf,
  lut: TensorFlow.Tensor3D,
  conv: Named,
  running: Named,
  pixels: PixelTensors,
  norm: Norm,
) => {
  const y = readKnots(tf, lut, pixels.position);
  const z = tf.add(conv3x3(tf, y, conv['conv1.0.weight'] as TensorFlow.Tensor4D), conv['conv1.0.bias']);
  const [mean, variance] = ['conv1.1.running_mean', 'conv1.1.running_var'];
  const normed = batchNorm(tf, z, { mean: running[mean], variance: running[variance] }, norm);
  const scaled = tf.add(tf.mul(normed.values, conv['conv1.1.weight']), conv['conv1.1.bias']);
  const error = tf.mul(tf.sub(tf.add(y, tf.relu(scaled)), pixels.target), pixels.mask);
  const mse = tf.div(tf.sum(tf.square(error)), Math.max(pixels.valid, 1) * y.shape[3]);
  return {
    mse: mse as TensorFlow.Scalar,
    running: { [mean]: normed.running.mean, [variance]: normed.running.variance },
  };
};

/** The published penalties of a batch of LUTs: mean(d²·w)·numel and mean(ReLU(d))·numel, d[k] = L[k] − L[k+1]. */
export const penalties = (tf: Tf, lut: TensorFlow.Tensor3D) => {
  const [samples, bands, knots] = lut.shape;
  const from = (k: number) => tf.slice(lut, [0, 0, k], [samples, bands, knots - 1]);
  const d = tf.sub(from(0), from(1));
  const ends = tf.tensor1d(
    Float32Array.from({ length: knots - 1 }, (_, k) => (k % (knots - 2) === 0 ? 2 : 1)),
  );
  const factor = knots / (knots - 1);
  return {
    tv: tf.mul(tf.sum(tf.mul(tf.square(d), ends)), factor) as TensorFlow.Scalar,
    monotonicity: tf.mul(tf.sum(tf.relu(d)), factor) as TensorFlow.Scalar,
  };
};
