import { beforeAll, describe, expect, test } from 'vitest';
import { adamStep, adamVectors } from '../../src/engine/adam.js';
import { type Engine, openEngine } from '../../src/engine/engine.js';
import { convLayout, initialise, initialRunning, type UnetSpec } from '../../src/engine/layout.js';
import {
  type Batch,
  predictLuts,
  type StepSettings,
  type StepShape,
  type StepWeights,
  stepGradient,
  stepShape,
  type WeightedPenalty,
} from '../../src/engine/step.js';
import { random, randomPatch, relativeDifference } from './pixels.js';
import { pixelErrorReference, unetReference } from './reference.js';

const spec: UnetSpec = { bands: 2, knots: 16, width: 4, depth: 2, norm: 'batch', groups: 2 };
const [samples, bandMax, scale] = [3, [1000, 900], 100];

/** Σ lut², a penalty whose value and gradient are plain. */
const squares: WeightedPenalty = {
  name: 'squares',
  weight: 0.003,
  of: (lut) => ({
    value: lut.reduce((sum, value) => sum + value * value, 0),
    gradient: lut.map((value) => 2 * value),
  }),
};
const total: WeightedPenalty = {
  name: 'total',
  weight: 0.5,
  of: (lut) => ({ value: lut.reduce((sum, value) => sum + value, 0), gradient: lut.map(() => 1) }),
};

const settingsOf = (penalties: WeightedPenalty[] = []): StepSettings => ({ scale, bandMax, penalties });

const weightsOf = (shape: StepShape, base: Float32Array | null): StepWeights => {
  const next = random(5);
  const theta = new Float32Array(shape.parameterCount);
  theta.set(initialise(shape.unet, next));
  // LUTs away from the ReLU's corner
  if (base === null) theta.fill(3, shape.unet.parameterCount - spec.bands, shape.unet.parameterCount);
  const running = new Float32Array(shape.runningCount);
  running.set(initialRunning(shape.unet));
  if (shape.conv) {
    theta.set(initialise(convLayout(spec.bands), next), shape.unet.parameterCount);
    running.set(initialRunning(convLayout(spec.bands)), shape.unet.runningCount);
  }
  return { theta, running, base };
};

const batchOf = (conv: boolean): Batch => {
  const next = random(8);
  const [rows, { knots }] = [samples * spec.bands, spec];
  const floats = (top: number): Float32Array =>
    Float32Array.from({ length: rows * knots }, () => top * next());
  const input = floats(1);
  if (conv) {
    const pixels = Array.from({ length: samples }, () => randomPatch(next, [spec.bands, 9, 7], 900));
    return { input, samples, statistics: null, pixels };
  }
  const statistics = {
    diagonal: floats(100),
    offDiagonal: floats(10).map((value, i) => (i % knots === knots - 1 ? 0 : value)),
    linear: floats(1000),
    constant: Float64Array.from({ length: rows }, () => 1e8 * next()),
    count: Float64Array.from({ length: rows }, () => 63),
    identity: Float32Array.from({ length: spec.bands * knots }, (_, i) => 60 * (i % knots)),
  };
  return { input, samples, statistics, pixels: null };
};

/** The same loss in float64, from the references of its parts. */
const referenceLoss = (
  shape: StepShape,
  { running, base }: StepWeights,
  batch: Batch,
  penalties: readonly WeightedPenalty[],
  norm: 'batch' | 'running',
  theta: ArrayLike<number>,
): number => {
  const { out } = unetReference(spec, samples, norm, theta, running, batch.input);
  const lut = out.map((value, i) =>
    base ? base[i % base.length] + value * scale : Math.max(0, value) * scale,
  );
  let loss = 0;
  if (batch.pixels) {
    const conv = Array.from(theta).slice(shape.unet.parameterCount);
    const own = running.subarray(shape.unet.runningCount);
    loss = pixelErrorReference({
      ...{ lut, conv, running: own, patches: batch.pixels },
      ...{ bandMax, knots: spec.knots, norm },
    });
  } else {
    const { diagonal, offDiagonal, linear, constant, count, identity } = batch.statistics!;
    const delta = lut.map((value, i) => value - identity[i % identity.length]);
    for (const [i, d] of delta.entries())
      loss += d * (diagonal[i] * d + 2 * offDiagonal[i] * (delta[i + 1] ?? 0) - 2 * linear[i]);
    loss += constant.reduce((sum, value) => sum + value, 0);
    loss /= count.reduce((sum, value) => sum + value, 0);
  }
  for (const { name, weight } of penalties)
    loss += weight * lut.reduce((sum, value) => sum + (name === 'squares' ? value * value : value), 0);
  return loss;
};

let engine: Engine;
beforeAll(async () => {
  engine = await openEngine('cpu');
});

describe.each([false, true])('a step, conv module %s', (conv) => {
  test.each([
    ['batch', [], null],
    ['batch', [squares, total], null],
    ['running', [squares], null],
    ['batch', [total, squares], new Float32Array(spec.bands * spec.knots).fill(300)],
  ] as const)(
    '%s statistics: loss and gradient are those of the whole chain in float64',
    async (norm, penalties, base) => {
      const shape = stepShape(spec, conv);
      const weights = weightsOf(shape, base);
      const batch = batchOf(conv);
      const { loss, gradient } = await stepGradient(
        engine,
        shape,
        settingsOf([...penalties]),
        weights,
        batch,
        norm,
      );
      const reference = (theta: ArrayLike<number>): number =>
        referenceLoss(shape, weights, batch, penalties, norm, theta);
      expect(loss / reference(weights.theta)).toBeCloseTo(1, 5);
      const next = random(2);
      const slots = [
        ...shape.unet.parameters,
        ...(shape.conv?.parameters ?? []).map((slot) => ({
          ...slot,
          offset: slot.offset + shape.unet.parameterCount,
        })),
      ];
      const [expected, found]: number[][] = [[], []];
      for (const { offset, size } of slots) {
        const direction = new Float64Array(gradient.length);
        for (let i = offset; i < offset + size; i++) direction[i] = next() < 0.5 ? -1 : 1;
        const along = (by: number): number =>
          reference(Float64Array.from(weights.theta, (value, i) => value + by * direction[i]));
        expected.push((along(1e-6) - along(-1e-6)) / 2e-6);
        found.push(gradient.reduce((sum, value, i) => sum + value * direction[i], 0));
      }
      expect(relativeDifference(expected, found)).toBeLessThan(2e-3);
    },
  );

  test('loss is mse + Σ weight·penalty; penalties are not computed where all weights are 0', async () => {
    const shape = stepShape(spec, conv);
    const weights = weightsOf(shape, null);
    const batch = batchOf(conv);
    const step = (penalties: WeightedPenalty[]) =>
      stepGradient(engine, shape, settingsOf(penalties), weights, batch, 'batch');
    const { mse, penalties, loss } = await step([squares, { ...total, weight: 0 }]);
    expect(penalties[1]).toBeGreaterThan(0);
    expect(loss / (mse + squares.weight * penalties[0])).toBeCloseTo(1, 6);
    const never = (): never => {
      throw new Error('computed');
    };
    const without = await step([{ name: 'never', weight: 0, of: never }]);
    expect(without).toMatchObject({ mse, loss: mse, penalties: [0] });
  });

  test('Adam lowers the loss, on vectors in its own memory to the same bits as elsewhere', async () => {
    const shape = stepShape(spec, conv);
    const batch = batchOf(conv);
    const train = async (isInPlace: boolean) => {
      const { theta, running } = weightsOf(shape, null);
      const own = adamVectors(theta.length);
      own.theta.set(theta);
      const zeros = () => new Float32Array(theta.length);
      const state = isInPlace ? own : { theta, m: zeros(), v: zeros() };
      const losses: number[] = [];
      for (let step = 1; step <= 30; step++) {
        const weights = { theta: state.theta, running, base: null };
        const result = await stepGradient(engine, shape, settingsOf([total]), weights, batch, 'batch');
        if (isInPlace) expect(result.gradient).toBe(own.gradient);
        losses.push(result.loss);
        running.set(result.running);
        adamStep({
          ...{ theta: state.theta, gradient: result.gradient, m: state.m, v: state.v, ema: null, step },
          ...{ lr: 1e-2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4, emaDecay: 0 },
        });
      }
      return { losses, theta: state.theta.slice(), running };
    };
    const inPlace = await train(true);
    expect(inPlace.losses[29]).toBeLessThan(inPlace.losses[0]);
    expect(await train(false)).toEqual(inPlace);
  });
});

test('steps of two trainings may interleave', async () => {
  const shape = stepShape(spec, true);
  const batch = batchOf(true);
  // an engine whose pixels take their time, as a device's do
  const slow: Engine = {
    ...engine,
    pixelError: async (inputs) => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      return engine.pixelError(inputs);
    },
  };
  const step = async (seed: number) => {
    const weights = weightsOf(shape, null);
    weights.theta[0] += seed;
    const { gradient, loss } = await stepGradient(slow, shape, settingsOf(), weights, batch, 'batch');
    return { gradient: gradient.slice(), loss };
  };
  const alone = [await step(1), await step(2)];
  expect(await Promise.all([step(1), step(2)])).toEqual(alone);
});

test('LUTs of tiles are predicted by running statistics, each alone as with others', () => {
  const shape = stepShape(spec, false);
  const weights = weightsOf(shape, null);
  weights.running.set(weights.running.map((value) => value + 0.3));
  const { input } = batchOf(false);
  const size = spec.bands * spec.knots;
  const luts = predictLuts(shape, { scale }, weights, input, samples);
  const { out } = unetReference(spec, samples, 'running', weights.theta, weights.running, input);
  expect(
    relativeDifference(
      out.map((value) => Math.max(0, value) * scale),
      luts,
    ),
  ).toBeLessThan(1e-5);
  for (let i = 0; i < samples; i++)
    expect(predictLuts(shape, { scale }, weights, input.subarray(i * size, (i + 1) * size), 1)).toEqual(
      luts.slice(i * size, (i + 1) * size),
    );
});
