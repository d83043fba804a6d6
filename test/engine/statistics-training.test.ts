import { expect, test } from 'vitest';
import type { StatisticsTable } from '../../src/dataset/statistics-table.js';
import { openStatisticsTraining } from '../../src/engine/cpu/statistics-training.js';
import { type ExperimentInput, resolveExperiment } from '../../src/experiments/experiment.js';
import { fitWeights, type StepLosses } from '../../src/training/fit.js';
import { freshState, networkLayout } from '../../src/training/network.js';
import { openStepper } from '../../src/training/open-stepper.js';
import type { TrainingState } from '../../src/training/state.js';
import { random } from './pixels.js';
import { withThreads } from './threads.js';

const [patches, bands, knots] = [7, 3, 32];
const bandMax = [900, 800, 1000];

const experimentOf = ({ model, train, ...input }: ExperimentInput = {}) =>
  resolveExperiment({
    ...{ name: 'resident', backend: 'cpu' },
    data: { bands: ['a', 'b', 'c'], bandMax, bins: knots, ndvi: null },
    ...input,
    model: { knots, ...model, unet: { width: 4, depth: 3, ...(model as { unet?: object })?.unet } },
    train: { epochs: 3, batchSize: 3, validateEvery: 2, ...train },
  });

const next = random(3);
const floats = (scale: number): Float32Array =>
  Float32Array.from({ length: patches * bands * knots }, () => scale * next());
const table = {
  ...{ bands, knots, bandMax },
  diagonal: floats(100),
  offDiagonal: floats(10).map((value, i) => (i % knots === knots - 1 ? 0 : value)),
  linear: floats(1000),
  constant: Float64Array.from({ length: patches * bands }, () => 1e7 * next()),
  count: Float64Array.from({ length: patches * bands }, () => 63),
} as unknown as StatisticsTable;
const histograms = Array.from({ length: patches }, () => floats(50).slice(0, bands * knots));
const rows = [6, 0, 1, 2, 3, 5, 4];

/** Trains; with `apart`, step by step over gradients instead of in the kernels' memory. */
const train = async (
  input: ExperimentInput,
  apart = false,
): Promise<{ state: TrainingState; steps: StepLosses[] }> => {
  const experiment = experimentOf(input);
  const layout = networkLayout(experiment);
  const stepper = await openStepper(experiment, layout);
  const constants = { 'base.lut': Float32Array.from({ length: bands * knots }, (_, i) => 30 * (i % knots)) };
  const steps: StepLosses[] = [];
  const state = await fitWeights({
    ...{ experiment, constants, table, rows, pixels: null, state: freshState(experiment, layout) },
    stepper: apart ? { ...stepper, openTraining: () => null } : stepper,
    histogram: (row) => histograms[row],
    validate: async (weights) => {
      // it goes through the same memory
      const luts = await stepper.predict(weights, histograms);
      return { mse: luts[0][0] ** 2, rmse: [] };
    },
    onEpoch: async (_, __, losses) => void steps.push(...losses),
    onProgress: () => {},
  });
  return { state, steps };
};

const cases: [string, ExperimentInput][] = [
  ['the published recipe', {}],
  ['both penalties', { loss: { tv: 0.01, monotonicity: 0.02 } }],
  ['one penalty, decay, no average', { loss: { monotonicity: 0.5 }, train: { weightDecay: 0.01, ema: 0 } }],
  ['a moving average', { train: { ema: 0.9 } }],
  ['running statistics after the first validation', { train: { batchNorm: 'published' } }],
  [
    'group norm, corrections of a LUT',
    { model: { unet: { norm: 'group', groups: 2, output: 'correction' } } },
  ],
];

test.each(cases)('%s: steps in one call have the bits of steps apart', async (_, input) => {
  const [here, apart] = [await train(input), await train(input, true)];
  expect(here.state).toEqual(apart.state);
  expect(here.steps).toHaveLength(9);
  // sums in float64, in another order before they are rounded
  for (const [i, losses] of here.steps.entries())
    for (const [name, value] of Object.entries(apart.steps[i]))
      expect(Math.abs(losses[name] - value)).toBeLessThanOrEqual(1e-6 * Math.abs(value));
});

test('the bits do not depend on the number of threads', async () => {
  const input = { loss: { tv: 0.01, monotonicity: 0.02 } };
  const one = await withThreads(1, () => train(input));
  expect(await withThreads(3, () => train(input))).toEqual(one);
});

test('two trainings at once in one process have the bits of one after the other', async () => {
  const [first, second] = await Promise.all([train({}), train({})]);
  expect(first.state).toEqual(second.state);
  expect((await train({})).state).toEqual(first.state);
});

/** A training opened by itself, weights drawn anew. */
const open = (bytes?: number) => {
  const experiment = experimentOf();
  const { theta } = freshState(experiment, networkLayout(experiment));
  const training = openStatisticsTraining({
    spec: { bands, knots, width: 4, depth: 3, norm: 'batch', groups: 1 },
    ...{ scale: 1000, base: null, weights: { tv: 0, monotonicity: 0 }, ema: true },
    ...{ table, rows, batchSize: 4, bytes },
    writeInput: (row, out, offset) => out.set(histograms[row], offset),
  })!;
  training.theta.set(theta);
  return training;
};
const rates = { step: 1, lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, emaDecay: 0.5 };

test('statistics beyond the memory that they may take are brought batch by batch, to the same bits', () => {
  const steps = (bytes?: number) => {
    const training = open(bytes);
    for (const batch of [[6, 2, 0, 5], [3], [1, 4]]) training.step(batch, 'batch', rates);
    const { theta, ema, running } = training;
    const result = { theta: theta.slice(), ema: ema.slice(), running: running.slice() };
    training.dispose();
    return result;
  };
  expect(steps(0)).toEqual(steps());
});

test('a loss that is not finite moves nothing', () => {
  const training = open();
  training.theta[5] = Number.NaN;
  const before = [training.theta.slice(), training.running.slice(), training.ema.slice()];
  expect(training.step([0, 1], 'batch', rates)).toBe(false);
  expect(training.losses[3]).toBeNaN();
  expect([training.theta, training.running, training.ema].map((values) => values.slice())).toEqual(before);
  training.dispose();
});
