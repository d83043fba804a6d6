import * as tf from '@tensorflow/tfjs-core';
import { type Slot, unetLayout } from '../unet-layout.js';
import { normEpsilon, normMomentum, type UnetInputs, type UnetOutputs } from '../unet-signature.js';

/**
 * Columns are channels; rows are positions, those of all samples at one position together, so that a shift by one
 * position cuts and joins whole blocks: the only slicing that TensorFlow.js's cpu backend does fast.
 */
interface Rows {
  values: tf.Tensor2D;
  batch: number;
  length: number;
  channels: number;
}

const rows = (values: tf.Tensor, batch: number, length: number, channels: number): Rows => ({
  values: tf.reshape(values, [length * batch, channels]),
  batch,
  length,
  channels,
});

const constant = tf.customGrad((x) => {
  const value = (x as tf.Tensor).clone();
  return { value, gradFunc: (dy: tf.Tensor | tf.Tensor[]) => tf.zerosLike(dy as tf.Tensor) };
});

/** The named tensors of a flat vector, cut in one op, whose gradient is one concatenation. */
const cut = (flat: tf.Tensor1D, slots: readonly Slot[]): Map<string, tf.Tensor> => {
  const sizes = slots.map(({ size }) => size);
  const pieces = tf.split(flat, sizes);
  return new Map(slots.map(({ name, shape }, index) => [name, tf.reshape(pieces[index], [...shape])]));
};

/** Convolution of 3 with zero padding 1: a matrix product per tap. Weight [out, in, 3]. */
const conv3 = (x: Rows, weight: tf.Tensor, bias: tf.Tensor): Rows => {
  const { values, batch, length, channels } = x;
  const edge = tf.zeros([batch, channels]) as tf.Tensor2D;
  const after = length === 1 ? null : tf.split(values, [batch, (length - 1) * batch])[1];
  const before = length === 1 ? null : tf.split(values, [(length - 1) * batch, batch])[0];
  const taps = tf.unstack(tf.transpose(weight, [2, 1, 0]));
  const products = [
    before && tf.matMul(tf.concat([edge, before]), taps[0] as tf.Tensor2D),
    tf.matMul(values, taps[1] as tf.Tensor2D),
    after && tf.matMul(tf.concat([after, edge]), taps[2] as tf.Tensor2D),
  ].filter((product): product is tf.Tensor2D => product !== null);
  return { ...x, values: tf.add(tf.addN(products), bias) as tf.Tensor2D, channels: weight.shape[0] };
};

/** Transposed convolution of 2, stride 2: each position becomes two. Weight [in, out, 2]. */
const up2 = ({ values, batch, length }: Rows, weight: tf.Tensor, bias: tf.Tensor): Rows => {
  const output = weight.shape[1]!;
  const pair = tf
    .unstack(weight, 2)
    .map((tap) => tf.reshape(tf.matMul(values, tap as tf.Tensor2D), [length, batch * output]));
  const both = rows(tf.concat(pair, 1), batch, 2 * length, output);
  return { ...both, values: tf.add(both.values, bias) };
};

/** The larger of each two neighbours; of equals the first has the gradient, as in PyTorch. An odd last one is left. */
const pool2 = ({ values, batch, length, channels }: Rows): Rows => {
  const half = length >> 1;
  const even = length % 2 === 0 ? values : tf.split(values, [2 * half * batch, batch])[0];
  const [first, second] = tf.split(tf.reshape(even, [half, 2 * batch * channels]), 2, 1);
  return rows(tf.maximum(first, second), batch, half, channels);
};

/** `skip` beside `below`, zero-padded at its end to the skip's length (PyTorch pads diff>>1 = 0 at the start). */
const join = (skip: Rows, below: Rows): Rows => {
  const missing = (skip.length - below.length) * skip.batch;
  const full =
    missing === 0
      ? below.values
      : tf.concat([below.values, tf.zeros([missing, below.channels]) as tf.Tensor2D]);
  return { ...skip, values: tf.concat([skip.values, full], 1), channels: skip.channels + below.channels };
};

const standardise = (centred: tf.Tensor, variance: tf.Tensor): tf.Tensor =>
  tf.mul(centred, tf.rsqrt(tf.add(variance, normEpsilon)));

/** The UNet in TensorFlow.js ops: matrix products and elementwise ops only, so that every backend can train it. */
export const composedUnet = ({ theta, running, x, spec, norm }: UnetInputs): UnetOutputs =>
  tf.tidy(() => {
    const layout = unetLayout(spec);
    const parameters = cut(theta, layout.parameters);
    const at = (name: string): tf.Tensor => parameters.get(`unet.${name}`)!;
    const statistics =
      layout.running.length > 0 ? cut(running, layout.running) : new Map<string, tf.Tensor>();
    const moved = new Map<string, tf.Tensor>();

    const batchNorm = (y: Rows, name: string): tf.Tensor => {
      const meanName = `unet.${name}.running_mean`;
      const varianceName = `unet.${name}.running_var`;
      const oldMean = statistics.get(meanName)!;
      const oldVariance = statistics.get(varianceName)!;
      if (norm === 'running') return standardise(tf.sub(y.values, oldMean), oldVariance);
      const mean = tf.mean(y.values, 0);
      const centred = tf.sub(y.values, mean);
      const variance = tf.mean(tf.square(centred), 0);
      const count = y.batch * y.length;
      const towards = (old: tf.Tensor, now: tf.Tensor): tf.Tensor =>
        tf.add(tf.mul(old, 1 - normMomentum), tf.mul(now, normMomentum));
      moved.set(meanName, towards(oldMean, mean));
      moved.set(varianceName, towards(oldVariance, tf.mul(variance, count / (count - 1))));
      return standardise(centred, variance);
    };

    const groupNorm = ({ values, batch, length, channels }: Rows): tf.Tensor => {
      const grouped = tf.reshape(values, [length, batch, spec.groups, channels / spec.groups]);
      const centred = tf.sub(grouped, tf.mean(grouped, [0, 3], true));
      const variance = tf.mean(tf.square(centred), [0, 3], true);
      return tf.reshape(standardise(centred, variance), [length * batch, channels]);
    };

    const convNormRelu = (input: Rows, name: string, index: number): Rows => {
      const y = conv3(input, at(`${name}.${index}.weight`), at(`${name}.${index}.bias`));
      const normName = `${name}.${index + 1}`;
      const standard = spec.norm === 'batch' ? batchNorm(y, normName) : groupNorm(y);
      const scaled = tf.add(tf.mul(standard, at(`${normName}.weight`)), at(`${normName}.bias`));
      return { ...y, values: tf.relu(scaled as tf.Tensor2D) };
    };
    const doubleConv = (input: Rows, name: string): Rows =>
      convNormRelu(convNormRelu(input, `${name}.double_conv`, 0), `${name}.double_conv`, 3);

    const [batch] = x.shape;
    const histogram = rows(tf.transpose(constant(x), [2, 0, 1]), batch, spec.knots, spec.bands);
    const skips = [doubleConv(histogram, 'inc')];
    for (let level = 1; level <= spec.depth; level++)
      skips.push(doubleConv(pool2(skips[level - 1]), `down${level}.maxpool_conv.1`));
    let current = skips[spec.depth];
    for (let step = 1; step <= spec.depth; step++) {
      const below = up2(current, at(`up${step}.up.weight`), at(`up${step}.up.bias`));
      current = doubleConv(join(skips[spec.depth - step], below), `up${step}.conv`);
    }
    const last = tf.transpose(tf.reshape(at('outc.conv.weight'), [spec.bands, spec.width]));
    const raw = tf.add(tf.matMul(current.values, last as tf.Tensor2D), at('outc.conv.bias'));
    const out = tf.transpose(tf.reshape(raw, [spec.knots, batch, spec.bands]), [1, 2, 0]);
    const updated =
      moved.size > 0 ? tf.concat(layout.running.map(({ name }) => moved.get(name)!)) : running.clone();
    return { out: out as tf.Tensor3D, running: updated as tf.Tensor1D };
  });
