// Our side of the training comparison: the program's own loop, as `bandalign train` runs it.
import * as tf from '@tensorflow/tfjs-core';
import { resolveExperiment } from '../dist/config/experiment.js';
import { unetLutShape } from '../dist/models/unet-lut.js';
import * as adam from '../dist/ops/adam.js';
import { insistOnForm } from '../dist/ops/form.js';
import { startTensorflow } from '../dist/ops/tensorflow.js';
import { unet } from '../dist/ops/unet.js';
import { identityBands, inputBatch, statisticsBatch } from '../dist/training/batches.js';
import { fitWeights } from '../dist/training/fit.js';
import { stepGradient } from '../dist/training/step.js';
import { freshState } from '../dist/training/train-unet-lut.js';

/** The published recipe with its losses; `conv` adds the conv module. No validation, which is timed on its own. */
export const experimentOf = (kind, epochs = 1) =>
  resolveExperiment({
    name: kind,
    model: { kind: 'unet-lut', conv: kind === 'conv' },
    loss: { tv: 0.01, monotonicity: 0.01 },
    train: { epochs, validateEvery: 1_000_000, checkpointEvery: 1_000_000 },
  });

const noValidation = async () => ({ mse: 0, rmse: [] });

/**
 * A training that goes on turn by turn.
 * @param memory take the pixels from memory instead of the packed file
 * @returns a turn of some epochs: milliseconds a step
 */
export const trainingTurns = (kind, data, { memory = false, epochs = 1, rows } = {}) => {
  const first = experimentOf(kind);
  const shape = unetLutShape(first);
  let state = freshState(first, shape);
  const trained = rows ?? data.lists.train.map(data.row);
  const held = memory
    ? new Map(
        data.lists.train.map((patch) => {
          const { source, target, mask, ...rest } = data.read(patch);
          return [
            data.row(patch),
            { ...rest, source: source.slice(), target: target.slice(), mask: mask.slice() },
          ];
        }),
      )
    : null;
  const fromMemory = async function* (batches) {
    for (const batch of batches) yield batch.map((row) => held.get(row));
  };
  return async () => {
    let [seconds, steps] = [0, 0];
    state = await fitWeights({
      experiment: experimentOf(kind, state.epoch + epochs),
      shape,
      base: null,
      table: data.table,
      rows: trained,
      histogram: data.patchHistogram,
      pixels: kind === 'conv' ? (memory ? fromMemory : data.batches) : null,
      validate: noValidation,
      state,
      onEpoch: async (_, record, losses) => {
        seconds += record.seconds;
        steps += losses.length;
      },
      onProgress: () => {},
    });
    return (1000 * seconds) / steps;
  };
};

/** The first batch's loss at fresh weights, and these weights: the peer must find the same. */
export const firstLoss = async (kind, data) => {
  const experiment = experimentOf(kind);
  const shape = unetLutShape(experiment);
  const { theta, running } = freshState(experiment, shape);
  const rows = data.lists.train.slice(0, experiment.train.batchSize).map(data.row);
  const pixels = kind === 'conv' ? (await data.batches([rows])[Symbol.asyncIterator]().next()).value : null;
  const batch = {
    input: inputBatch(experiment, rows.map(data.patchHistogram)),
    samples: rows.length,
    statistics: pixels
      ? null
      : statisticsBatch(data.table, rows, identityBands(data.table.bandMax, data.table.knots)),
    pixels,
  };
  const { loss } = await stepGradient(experiment, shape, { theta, running, base: null }, batch, 'batch');
  return { loss, theta };
};

/** Milliseconds of one UNet step alone: forward, backward and Adam on a batch of 4; one core. */
export const unetTurn = (steps) => {
  const experiment = experimentOf('lut');
  const { spec, unet: layout } = unetLutShape(experiment);
  const state = freshState(experiment, unetLutShape(experiment));
  const vectors = adam.adamVectors(layout.parameterCount);
  vectors.theta.set(state.theta);
  const random = Float32Array.from({ length: 4 * spec.bands * spec.knots }, (_, i) =>
    Math.abs(Math.sin(i * 12.9898)),
  );
  let step = 0;
  const once = async () => {
    const { grad, value } = tf.tidy(() => {
      const x = tf.tensor3d(random, [4, spec.bands, spec.knots]);
      const w = tf.sub(x, 0.5);
      const running = tf.tensor1d(state.running);
      return tf.valueAndGrad((theta) => {
        const { out } = unet({ theta, running, x, spec, norm: 'batch' });
        return tf.sum(tf.mul(out, w));
      })(tf.tensor1d(vectors.theta));
    });
    vectors.gradient.set(await grad.data());
    tf.dispose([grad, value]);
    const { theta, gradient, m, v } = vectors;
    const rates = { lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4, emaDecay: 0 };
    adam.adamStep({ theta, gradient, m, v, ema: null, step: ++step, ...rates });
  };
  return async () => {
    await startTensorflow('cpu');
    const before = process.env.BANDALIGN_THREADS;
    process.env.BANDALIGN_THREADS = '1';
    try {
      const start = performance.now();
      for (let i = 0; i < steps; i++) await once();
      return (performance.now() - start) / steps;
    } finally {
      if (before === undefined) delete process.env.BANDALIGN_THREADS;
      else process.env.BANDALIGN_THREADS = before;
    }
  };
};

/** A turn in the composed form. */
export const composed = (turn) => async () => {
  insistOnForm('composed');
  try {
    return await turn();
  } finally {
    insistOnForm(null);
  }
};
