import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { resolveExperiment } from '../../src/config/experiment.js';
import { seededRandom } from '../../src/config/random.js';
import type { PatchPixels } from '../../src/dataset/patch.js';
import { Fault, reason } from '../../src/fault.js';
import { predictKnots, unetLutShape } from '../../src/models/unet-lut.js';
import { type BackendName, backendNames } from '../../src/ops/backends/names.js';
import { disagreement, probe } from '../../src/ops/backends/probe.js';
import { insistOnForm } from '../../src/ops/form.js';
import { startTensorflow } from '../../src/ops/tensorflow.js';
import { identityBands } from '../../src/training/batches.js';
import { changedSettings } from '../../src/training/prepare-folder.js';
import { type Batch, stepGradient, trainStep } from '../../src/training/step.js';
import { freshState } from '../../src/training/train-unet-lut.js';
import { distance } from '../distance.js';
import { useTestDriver } from '../engine/test-driver.js';

/**
 * Relative to `cpu`'s composed form. One pass differs by the order of float32 sums; over 12 steps Adam amplifies the
 * rounding noise of weights without a gradient (biases before a batch norm) to the size of the learning rate.
 */
const tolerance: Record<BackendName, { forward: number; loss: number; gradient: number; steps: number }> = {
  cpu: { forward: 1e-5, loss: 1e-5, gradient: 1e-4, steps: 2e-3 },
  wasm: { forward: 1e-5, loss: 1e-5, gradient: 1e-4, steps: 2e-3 },
  webgpu: { forward: 1e-4, loss: 1e-4, gradient: 1e-3, steps: 5e-3 },
  tensorflow: { forward: 1e-5, loss: 1e-5, gradient: 1e-4, steps: 2e-3 },
};

const experimentOf = (conv: boolean) =>
  resolveExperiment({
    data: { bands: ['red', 'nir'], bandMax: [1000, 900], bins: 16, ndvi: null },
    model: { knots: 16, conv, unet: { width: 2, depth: 1 } },
    loss: { tv: 0.01, monotonicity: 0.01 },
  });

const batchOf = (conv: boolean): Batch => {
  const { next } = seededRandom(3, 'backends');
  const [samples, bands, knots, side] = [2, 2, 16, 12];
  const rows = samples * bands;
  const floats = (scale: number): Float32Array =>
    Float32Array.from({ length: rows * knots }, () => scale * next());
  const input = floats(1 / 8);
  if (!conv) {
    const offDiagonal = floats(10).map((value, i) => (i % knots === knots - 1 ? 0 : value));
    const filled = (value: number): Float64Array => new Float64Array(rows).fill(value);
    const statistics = {
      ...{ diagonal: floats(100), offDiagonal, linear: floats(1000) },
      ...{ constant: filled(1e6), count: filled(144), identity: identityBands([1000, 900], knots) },
    };
    return { input, samples, statistics, pixels: null };
  }
  const image = (): Int16Array => Int16Array.from({ length: bands * side * side }, () => 900 * next());
  const patch = (): PatchPixels => {
    const mask = Uint8Array.from({ length: side * side }, (_, i) => +(i % 7 > 0));
    return { width: side, height: side, bands, source: image(), target: image(), mask };
  };
  return { input, samples, statistics: null, pixels: [patch(), patch()] };
};

/** Everything that is compared, on the backend that is set; the tensors that steps leave behind too. */
const trainHere = async (conv: boolean, steps = 12) => {
  const experiment = experimentOf(conv);
  const shape = unetLutShape(experiment);
  const state = freshState(experiment, shape);
  const batch = batchOf(conv);
  const weights = { theta: state.theta.slice(), running: state.running.slice(), base: null };
  const [luts] = await predictKnots(experiment, shape, weights, [batch.input.subarray(0, 32)]);
  const step = await stepGradient(experiment, shape, weights, batch, 'batch');
  const losses: number[] = [];
  let before = tf.memory();
  for (let i = 0; i < steps; i++) {
    losses.push((await trainStep(experiment, shape, state, null, batch, 1e-3)).loss);
    if (i === 0) before = tf.memory();
  }
  const after = tf.memory();
  const left = {
    tensors: after.numTensors - before.numTensors,
    buffers: after.numDataBuffers - before.numDataBuffers,
    bytes: after.numBytes - before.numBytes,
  };
  return { lut: luts.values, step, losses, left };
};

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
  await startTensorflow('cpu');
}, 300_000);
afterEach(async () => {
  insistOnForm(null);
  await startTensorflow('cpu');
});

test('the backends that were brought for these tests work', () => {
  for (const name of ['webgpu', 'tensorflow'] as const)
    if (required[name]) expect(refused.get(name)).toBeUndefined();
});

describe.each([...backendNames])('%s', (name) => {
  test.for([false, true])(
    'forward, losses, gradient and 12 steps are those of cpu, conv module %s',
    {
      timeout: 600_000,
    },
    async (conv, context) => {
      const why = refused.get(name);
      if (why !== undefined) return context.skip(why);
      insistOnForm('composed');
      const expected = await trainHere(conv);
      const allowed = tolerance[name];
      const compare = ({ lut, step, losses, left }: Awaited<ReturnType<typeof trainHere>>): void => {
        expect(distance(lut, expected.lut)).toBeLessThan(allowed.forward);
        for (const key of ['mse', 'tv', 'monotonicity', 'loss'] as const)
          expect(distance([step[key]], [expected.step[key]]), key).toBeLessThan(allowed.loss);
        expect(distance(step.gradient, expected.step.gradient)).toBeLessThan(allowed.gradient);
        expect(distance(step.running, expected.step.running)).toBeLessThan(allowed.forward);
        for (const [i, loss] of losses.entries())
          expect(Math.abs(loss / expected.losses[i] - 1), `step ${i}`).toBeLessThan(allowed.steps);
        expect(left).toEqual({ tensors: 0, buffers: 0, bytes: 0 });
      };
      await startTensorflow(name);
      // with the conv module, all of it on the device; then as it trains: the UNet on the host (split-gradient.ts)
      if (conv && name !== 'cpu') compare(await trainHere(conv, name === 'webgpu' ? 2 : 12));
      insistOnForm(null);
      compare(await trainHere(conv));
    },
  );

  test('tensors do not grow over 1000 steps with, 100 without the conv module', {
    timeout: 600_000,
  }, async (context) => {
    const why = refused.get(name);
    if (why !== undefined) return context.skip(why);
    await startTensorflow(name);
    for (const conv of [false, true])
      expect((await trainHere(conv, conv ? 1000 : 100)).left).toEqual({ tensors: 0, buffers: 0, bytes: 0 });
  });
});

test('cpu works everywhere, and is what auto takes while the kernels are built', async () => {
  expect(refused.has('cpu')).toBe(false);
  expect(await startTensorflow('auto')).toMatchObject({ name: 'cpu', why: 'auto: fused kernels' });
});

test('auto without fused kernels takes another backend and says why', { timeout: 120_000 }, async () => {
  insistOnForm('composed');
  const { name, why } = await startTensorflow('auto');
  expect(name).not.toBe('cpu');
  expect(why).toBe('auto: composed ops asked for; the first that works');
});

test('a backend by name that does not work is a fault of one line, and cpu goes on', async (context) => {
  const [name, why] = [...refused][0] ?? [];
  if (name === undefined) return context.skip('every backend works here');
  await expect(startTensorflow(name)).rejects.toThrow(Fault);
  expect(why).toMatch(new RegExp(`^backend: ${name}; .*npm `));
  expect(tf.getBackend()).toBe('cpu');
});

test('BANDALIGN_BACKEND decides for auto only, and must be a backend', async () => {
  const before = process.env['BANDALIGN_BACKEND'];
  try {
    process.env['BANDALIGN_BACKEND'] = 'wasm';
    expect(await startTensorflow('auto')).toMatchObject({ name: 'wasm', why: 'BANDALIGN_BACKEND' });
    expect(await startTensorflow('cpu')).toMatchObject({ name: 'cpu', why: 'asked for' });
    process.env['BANDALIGN_BACKEND'] = 'cuda';
    await expect(startTensorflow('auto')).rejects.toThrow(
      'BANDALIGN_BACKEND: cuda; one of auto, cpu, wasm, webgpu, tensorflow',
    );
  } finally {
    if (before === undefined) delete process.env['BANDALIGN_BACKEND'];
    else process.env['BANDALIGN_BACKEND'] = before;
  }
});

test('the probe refuses numbers that are off, and no numbers', async () => {
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
  await startTensorflow('webgpu');
  const { loseDevice } = await import('../../src/ops/backends/webgpu.js');
  const experiment = experimentOf(true);
  const shape = unetLutShape(experiment);
  const state = freshState(experiment, shape);
  await trainStep(experiment, shape, state, null, batchOf(true), 1e-3);
  const kept = state.theta.slice();
  loseDevice();
  await expect(trainStep(experiment, shape, state, null, batchOf(true), 1e-3)).rejects.toThrow(
    /^backend: webgpu failed \(.+\); the last checkpoint is kept, --resume --backend cpu goes on$/,
  );
  expect(state.theta).toEqual(kept);
  await startTensorflow('cpu');
  await trainStep(experiment, shape, state, null, batchOf(true), 1e-3);
  expect(state.step).toBe(2);
  await startTensorflow('webgpu');
  await trainStep(experiment, shape, state, null, batchOf(true), 1e-3);
  expect(state.step).toBe(3);
});
