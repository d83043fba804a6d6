// Our side of the training comparison: the program's own loop, as `bandalign train` runs it.
import { adamStep, adamVectors } from '../dist/engine/adam.js';
import { openEngine } from '../dist/engine/engine.js';
import { unetLayout } from '../dist/engine/layout.js';
import { resolveExperiment } from '../dist/experiments/experiment.js';
import { fitWeights, statisticsBatch } from '../dist/training/fit.js';
import { freshState, networkLayout } from '../dist/training/network.js';
import { openStepper } from '../dist/training/open-stepper.js';
import { unetMultiplyAdds } from './ceiling.mjs';

/** The published recipe with its losses; `conv` adds the conv module. No validation, which is timed on its own. */
export const experimentOf = (kind, epochs = 1) =>
  resolveExperiment({
    name: kind,
    backend: 'cpu',
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
  const layout = networkLayout(first);
  let state = freshState(first, layout);
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
      stepper: await openStepper(first, layout),
      constants: {},
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
  const layout = networkLayout(experiment);
  const { theta, running } = freshState(experiment, layout);
  const rows = data.lists.train.slice(0, experiment.train.batchSize).map(data.row);
  const pixels = kind === 'conv' ? (await data.batches([rows])[Symbol.asyncIterator]().next()).value : null;
  const batch = {
    histograms: rows.map(data.patchHistogram),
    statistics: pixels ? null : statisticsBatch(data.table, rows),
    pixels,
  };
  const stepper = await openStepper(experiment, layout);
  const { loss } = await stepper.gradient({ theta, running, constants: {} }, batch, 'batch', 0);
  return { loss, theta };
};

const unetSpec = () => {
  const { data } = experimentOf('lut');
  return { bands: data.bands.length, knots: data.bins, width: 8, depth: 4, norm: 'batch', groups: 1 };
};

/** Multiply-adds of one step of {@link unetTurn}. */
export const unetStepMultiplyAdds = () => unetMultiplyAdds(unetLayout(unetSpec()), unetSpec(), 4);

/** Milliseconds of one UNet step alone: forward, backward and Adam on a batch of 4; one core. */
export const unetTurn = (steps) => {
  const experiment = experimentOf('lut');
  const spec = unetSpec();
  const { bands, knots } = spec;
  const layout = unetLayout(spec);
  const { theta: fresh, running } = freshState(experiment, networkLayout(experiment));
  const vectors = adamVectors(layout.parameterCount);
  vectors.theta.set(fresh);
  const input = Float32Array.from({ length: 4 * bands * knots }, (_, i) => Math.abs(Math.sin(i * 12.9898)));
  const dout = input.map((value) => value - 0.5);
  const [out, moved] = [new Float32Array(input.length), new Float32Array(running.length)];
  const rates = { lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4, emaDecay: 0 };
  let step = 0;
  const once = (engine) => {
    const { theta, gradient, m, v } = vectors;
    const inputs = { spec, layout, theta, running, input, samples: 4, norm: 'batch' };
    engine.unetForward(inputs, out, moved).backward(dout, gradient);
    adamStep({ theta, gradient, m, v, ema: null, step: ++step, ...rates });
  };
  return async () => {
    const engine = await openEngine('cpu');
    const before = process.env.BANDALIGN_THREADS;
    process.env.BANDALIGN_THREADS = '1';
    try {
      const start = performance.now();
      for (let i = 0; i < steps; i++) once(engine);
      return (performance.now() - start) / steps;
    } finally {
      if (before === undefined) delete process.env.BANDALIGN_THREADS;
      else process.env.BANDALIGN_THREADS = before;
    }
  };
};
