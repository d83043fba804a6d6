import * as tf from '@tensorflow/tfjs-core';
import type { Experiment } from '../config/schema.js';
import { onDevice } from '../ops/backends/device-trouble.js';
import { lutHead } from '../ops/lut-head.js';
import type { Knots } from '../ops/mapping.js';
import { startTensorflow } from '../ops/tensorflow.js';
import { unet } from '../ops/unet.js';
import { convLayout, type Layout, type UnetSpec, unetLayout } from '../ops/unet-layout.js';
import { histogramInput } from './histogram-input.js';

/** The tensors of a UNet-LUT: the UNet's, then the conv module's, in one flat vector each. */
export interface UnetLutShape {
  spec: UnetSpec;
  unet: Layout;
  /** Null without the conv module. */
  conv: Layout | null;
  parameterCount: number;
  runningCount: number;
}

/** Values of a UNet-LUT. */
export interface UnetLutWeights {
  /** [parameterCount] */
  theta: Float32Array;
  /** Running means and variances of the batch norms, [runningCount]. */
  running: Float32Array;
  /** The global LUT that the UNet corrects, [bands·knots] stored units; null for `absolute` output. */
  base: Float32Array | null;
}

/** The shape that an experiment's configuration asks for. */
export const unetLutShape = ({ data, model }: Experiment): UnetLutShape => {
  const { width, depth, norm, groups } = model.unet;
  const spec: UnetSpec = { bands: data.bands.length, knots: model.knots, width, depth, norm, groups };
  const unetPart = unetLayout(spec);
  const conv = model.conv ? convLayout(spec.bands) : null;
  return {
    spec,
    unet: unetPart,
    conv,
    parameterCount: unetPart.parameterCount + (conv?.parameterCount ?? 0),
    runningCount: unetPart.runningCount + (conv?.runningCount ?? 0),
  };
};

/** The LUTs of a batch in stored units, [samples, bands, knots], by the UNet's parameters `theta`; to be tidied. */
export const batchLuts = (
  { model }: Experiment,
  shape: UnetLutShape,
  { running, base }: Pick<UnetLutWeights, 'running' | 'base'>,
  { input, samples }: { input: Float32Array; samples: number },
  norm: 'batch' | 'running',
  theta: tf.Tensor1D,
): { lut: tf.Tensor3D; running: tf.Tensor1D } => {
  const { bands, knots } = shape.spec;
  const network = unet({
    theta,
    running: tf.tensor1d(running.subarray(0, shape.unet.runningCount)),
    x: tf.tensor3d(input, [samples, bands, knots]),
    spec: shape.spec,
    norm,
  });
  const knotsBelow = base && tf.tensor3d(base, [1, bands, knots]);
  return { lut: lutHead(network.out, knotsBelow, model.unet.scale), running: network.running };
};

/**
 * LUTs of tiles from their source histograms, in evaluation mode.
 *
 * @param histograms counts of each tile, [bands·bins]
 */
export const predictKnots = async (
  experiment: Experiment,
  shape: UnetLutShape,
  weights: UnetLutWeights,
  histograms: readonly ArrayLike<number>[],
): Promise<Knots[]> => {
  await startTensorflow();
  const { data, model } = experiment;
  const { bands, knots } = shape.spec;
  const size = bands * knots;
  const input = new Float32Array(histograms.length * size);
  for (const [i, counts] of histograms.entries())
    histogramInput(counts, bands, model.unet.input, input, i * size);
  const predict = (): tf.Tensor3D => {
    const theta = tf.tensor1d(weights.theta.subarray(0, shape.unet.parameterCount));
    const batch = { input, samples: histograms.length };
    return batchLuts(experiment, shape, weights, batch, 'running', theta).lut;
  };
  const values = await onDevice(async () => {
    const lut = tf.tidy(predict);
    const read = (await lut.data()) as Float32Array;
    lut.dispose();
    return read;
  });
  return histograms.map((_, i) => ({
    form: 'lut',
    knots,
    bandMax: data.bandMax,
    values: values.slice(i * size, (i + 1) * size),
  }));
};
