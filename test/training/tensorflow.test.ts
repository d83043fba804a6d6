import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import type { PatchPixels } from '../../src/dataset/patch.js';
import { identityKnots } from '../../src/dataset/statistics-table.js';
import { loseDevice } from '../../src/engine/webgpu/device.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { Fault, reason } from '../../src/fault.js';
import { autogradStepper } from '../../src/training/autograd.js';
import { type BackendName, backendNames, chooseBackend } from '../../src/training/backends.js';
import { trainStep } from '../../src/training/fit.js';
import { freshState, networkLayout } from '../../src/training/network.js';
import { openStepper } from '../../src/training/open-stepper.js';
import { changedSettings } from '../../src/training/prepare-folder.js';
import type { Stepper, TrainingBatch } from '../../src/training/stepper.js';
import { disagreement, probe } from '../../src/training/tensorflow/probe.js';
import { startTensorflow } from '../../src/training/tensorflow/start.js';
import { distance } from '../distance.js';
import { useTestDriver } from '../engine/test-driver.js';

/**
 * Of the definition on a backend, relative to the engine. One pass differs by the order of float32 sums; over 12 steps
 * Adam amplifies the rounding noise of weights without a gradient (biases before a batch norm) to the size of the learning
 * rate.
 */
const tolerance: Record<BackendName, { forward: number; loss: number; gradient: number; steps: number }> = {
  cpu: { forward: 1e-5, loss: 1e-5, gradient: 1e-4, steps: 2e-3 },
  wasm: { forward: 1e-5, loss: 1e-5, gradient: 1e-4, steps: 2e-3 },
  webgpu: { forward: 1e-4, loss: 1e-4, gradient: 1e-3, steps: 5e-3 },
  tensorflow: { forward: 1e-5, loss: 1e-5, gradient: 1e-4, steps: 2e-3 },
};

const experimentOf = (conv: boolean, norm: 'batch' | 'group' = 'batch') =>
  resolveExperiment({
    backend: 'cpu',
    data: { bands: ['red', 'nir'], bandMax: [1000, 900], bins: 16, ndvi: null },
    model: { knots: 16, conv, unet: { width: 2, depth: 1, norm, groups: 2 } },
    loss: { tv: 0.01, monotonicity: 0.01 },
  });

const batchOf = (conv: boolean): TrainingBatch => {
  const { next } = seededRandom(3, 'backends');
  const [samples, bands, knots, side] = [2, 2, 16, 12];
  const rows = samples * bands;
  const floats = (scale: number): Float32Array =>
    Float32Array.from({ length: rows * knots }, () => scale * next());
  const histograms = Array.from({ length: samples }, () =>
    Float64Array.from({ length: bands * knots }, () => Math.floor(100 * next())),
  );
  if (!conv) {
    const offDiagonal = floats(10).map((value, i) => (i % knots === knots - 1 ? 0 : value));
    const filled = (value: number): Float64Array => new Float64Array(rows).fill(value);
    const identity = Float32Array.from([1000, 900].flatMap((max) => [...identityKnots(max, knots)]));
    const statistics = {
      ...{ diagonal: floats(100), offDiagonal, linear: floats(1000) },
      ...{ constant: filled(1e6), count: filled(144), identity },
    };
    return { histograms, statistics, pixels: null };
  }
  const image = (): Int16Array => Int16Array.from({ length: bands * side * side }, () => 900 * next());
  const patch = (): PatchPixels => {
    const mask = Uint8Array.from({ length: side * side }, (_, i) => +(i % 7 > 0));
    return { width: side, height: side, bands, source: image(), target: image(), mask };
  };
  return { histograms, statistics: null, pixels: [patch(), patch()] };
};

/** Everything that is compared; the tensors that steps leave behind too. */
const trainWith = async (
  open: (experiment: ReturnType<typeof experimentOf>) => Promise<Stepper>,
  conv: boolean,
  norm: 'batch' | 'group' = 'batch',
  steps = 12,
) => {
  const experiment = experimentOf(conv, norm);
  const stepper = await open(experiment);
  const state = freshState(experiment, networkLayout(experiment));
  const batch = batchOf(conv);
  const weights = { theta: state.theta.slice(), running: state.running.slice(), constants: {} };
  const [lut] = await stepper.predict(weights, [batch.histograms[0]]);
  const step = structuredClone(await stepper.gradient(weights, batch, 'batch', 0));
  const losses: number[] = [];
  let before = tf.memory();
  for (let i = 0; i < steps; i++) {
    losses.push((await trainStep(experiment, stepper, state, {}, batch, 1e-3)).loss);
    if (i === 0) before = tf.memory();
  }
  const after = tf.memory();
  const left = {
    tensors: after.numTensors - before.numTensors,
    buffers: after.numDataBuffers - before.numDataBuffers,
    bytes: after.numBytes - before.numBytes,
  };
  return { lut, step, losses, left };
};

const engine = (experiment: ReturnType<typeof experimentOf>) =>
  openStepper(experiment, networkLayout(experiment));
const definitionOn = (name: BackendName) => async (experiment: ReturnType<typeof experimentOf>) =>
  autogradStepper(experiment, networkLayout(experiment), name);

/** The suite's services: what they bring must work. */
const required: Partial<Record<BackendName, string | undefined>> = {
  webgpu: process.env['BANDALIGN_TEST_WEBGPU'],
  tensorflow: process.env['BANDALIGN_TEST_TENSORFLOW'],
};

const refused = new Map<BackendName, string>();
beforeAll(async () => {
  useTestDriver();
  for (const name of backendNames)
    await startTensorflow(name).catch((error: unknown) => refused.set(name, reason(error)));
}, 300_000);

test('the backends that were brought for these tests work', () => {
  for (const name of ['webgpu', 'tensorflow'] as const)
    if (required[name]) expect(refused.get(name)).toBeUndefined();
  expect(refused.has('cpu')).toBe(false);
});

describe.each([...backendNames])('the definition on %s', (name) => {
  test.for([
    [false, 'batch'],
    [false, 'group'],
    [true, 'batch'],
  ] as const)(
    'LUTs, losses, gradient and 12 steps are the engine’s; conv module %s, %s norm; no tensor stays behind',
    { timeout: 600_000 },
    async ([conv, norm], context) => {
      const why = refused.get(name);
      if (why !== undefined) return context.skip(why);
      const steps = name === 'webgpu' && conv ? 2 : 12;
      const expected = await trainWith(engine, conv, norm, steps);
      const allowed = tolerance[name];
      await startTensorflow(name);
      const { lut, step, losses, left } = await trainWith(definitionOn(name), conv, norm, steps);
      expect(distance(lut, expected.lut)).toBeLessThan(allowed.forward);
      expect(distance([step.mse], [expected.step.mse])).toBeLessThan(allowed.loss);
      expect(distance(step.penalties, expected.step.penalties)).toBeLessThan(allowed.loss);
      expect(distance([step.loss], [expected.step.loss])).toBeLessThan(allowed.loss);
      expect(distance(step.gradient, expected.step.gradient)).toBeLessThan(allowed.gradient);
      if (step.running.length > 0)
        expect(distance(step.running, expected.step.running)).toBeLessThan(allowed.forward);
      for (const [i, loss] of losses.entries())
        expect(Math.abs(loss / expected.losses[i] - 1), `step ${i}`).toBeLessThan(allowed.steps);
      expect(left).toEqual({ tensors: 0, buffers: 0, bytes: 0 });
    },
  );
});

test('a backend by name that does not work is a fault of one line, and cpu goes on', async (context) => {
  const [name, why] = [...refused][0] ?? [];
  if (name === undefined) return context.skip('every backend works here');
  await startTensorflow('cpu');
  await expect(startTensorflow(name)).rejects.toThrow(Fault);
  expect(why).toMatch(new RegExp(`^backend: ${name}; .*npm `));
  expect(tf.getBackend()).toBe('cpu');
});

test('BANDALIGN_BACKEND decides for auto only, and must be a backend', () => {
  const before = process.env['BANDALIGN_BACKEND'];
  try {
    delete process.env['BANDALIGN_BACKEND'];
    expect(chooseBackend('auto')).toEqual({ name: 'cpu', why: 'auto' });
    process.env['BANDALIGN_BACKEND'] = 'wasm';
    expect(chooseBackend('auto')).toEqual({ name: 'wasm', why: 'BANDALIGN_BACKEND' });
    expect(chooseBackend('cpu')).toEqual({ name: 'cpu', why: 'asked for' });
    process.env['BANDALIGN_BACKEND'] = 'cuda';
    expect(() => chooseBackend('auto')).toThrow(
      'BANDALIGN_BACKEND: cuda; one of auto, cpu, wasm, webgpu, tensorflow',
    );
  } finally {
    if (before === undefined) delete process.env['BANDALIGN_BACKEND'];
    else process.env['BANDALIGN_BACKEND'] = before;
  }
});

test('the probe refuses numbers that are off, and no numbers', async () => {
  await startTensorflow('cpu');
  const cpu = await probe();
  expect(disagreement(cpu, cpu)).toBeNull();
  const off = { ...cpu, gradient: cpu.gradient.map((value) => value * 1.01) };
  expect(disagreement(off, cpu)).toMatch('gradient by 1.0e-2');
  expect(disagreement({ ...cpu, loss: Number.NaN }, cpu)).not.toBeNull();
});

test('a lost device is a fault that says how to go on, and the backend is not a changed setting', {
  timeout: 600_000,
}, async (context) => {
  expect(changedSettings({ backend: 'webgpu', seed: 1 }, { backend: 'cpu', seed: 1 })).toEqual([]);
  const why = refused.get('webgpu');
  if (why !== undefined) return context.skip(why);
  const experiment = { ...experimentOf(true), backend: 'webgpu' as const };
  const state = freshState(experiment, networkLayout(experiment));
  const step = async (backend: 'cpu' | 'webgpu') => {
    const stepper = await engine({ ...experiment, backend });
    return () => trainStep(experiment, stepper, state, {}, batchOf(true), 1e-3);
  };
  const onCard = await step('webgpu');
  await onCard();
  const kept = state.theta.slice();
  loseDevice();
  await expect(onCard()).rejects.toThrow(
    /^backend: webgpu failed \(.+\); the last checkpoint is kept, --resume --backend cpu goes on$/,
  );
  expect(state.theta).toEqual(kept);
  await (await step('cpu'))();
  expect(state.step).toBe(2);
  await (await step('webgpu'))();
  expect(state.step).toBe(3);
});
