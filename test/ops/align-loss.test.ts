import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { PatchPixels } from '../../src/dataset/patch.js';
import { type AlignLossInputs, alignLoss } from '../../src/ops/align-loss.js';
import { type Form, insistOnForm } from '../../src/ops/form.js';
import { threadCount } from '../../src/ops/fused/threads.js';
import { startTensorflow } from '../../src/ops/tensorflow.js';
import { convLayout } from '../../src/ops/unet-layout.js';
import { referenceLoss } from './align-reference.js';
import { random, randomPatch, relativeDifference } from './pixels.js';

// Checked once against PyTorch 1.13.0 (interpolate, gather, conv2d, batch_norm; batch of 4 × 512², K 256), the fused form
// relative to PyTorch in float64: loss 2e-8 (both norms); gradient of the LUTs 2e-7 (batch), 3e-6 (running); of the conv
// parameters 5e-5 (batch, where large sums cancel; 2e-4 relative to PyTorch in float32), 4e-8 (running); running
// statistics 3e-8.

interface Case {
  name: string;
  shape: readonly [samples: number, bands: number, height: number, width: number];
  knots: number;
  norm: 'batch' | 'running';
  /** Share of valid pixels of each sample, in turn. */
  valid?: readonly number[];
  seed?: number;
}

interface Values {
  lut: Float32Array;
  conv: Float32Array;
  running: Float32Array;
  batch: PatchPixels[];
  bandMax: number[];
}

const make = ({ shape: [samples, bands, height, width], knots, valid = [0.7], seed = 1 }: Case): Values => {
  const next = random(seed);
  const bandMax = Array.from({ length: bands }, (_, band) => 2000 + 317 * band);
  const batch = Array.from({ length: samples }, (_, sample) =>
    randomPatch(next, [bands, height, width], 3000, valid[sample % valid.length]),
  );
  const { parameterCount } = convLayout(bands);
  const conv = Float32Array.from({ length: parameterCount }, () => 0.4 * next() - 0.2);
  // γ and β such that both sides of the ReLU are met
  for (let i = 9 * bands * bands + bands; i < parameterCount; i++) conv[i] += i % 2 === 0 ? 30 : 5;
  return {
    lut: Float32Array.from({ length: samples * bands * knots }, () => 2500 * next()),
    conv,
    running: Float32Array.from({ length: 2 * bands }, (_, i) => (i < bands ? 100 : 90000) * (0.5 + next())),
    batch,
    bandMax,
  };
};

const compute = (of: Case, values: Values, form: Form) => {
  insistOnForm(form);
  const [samples, bands] = of.shape;
  const running = tf.tensor1d(values.running);
  const inputs = (lut: tf.Tensor, conv: tf.Tensor): AlignLossInputs => ({
    lut: lut as tf.Tensor3D,
    conv: conv as tf.Tensor1D,
    running,
    batch: values.batch,
    bandMax: values.bandMax,
    norm: of.norm,
  });
  const lut = tf.tensor3d(values.lut, [samples, bands, of.knots]);
  const conv = tf.tensor1d(values.conv);
  const { value, grads } = tf.valueAndGrads((l: tf.Tensor, c: tf.Tensor) => alignLoss(inputs(l, c)).mse)([
    lut,
    conv,
  ]);
  const plain = alignLoss(inputs(lut, conv));
  const result = {
    mse: value.dataSync()[0],
    withoutGradient: plain.mse.dataSync()[0],
    running: plain.running.dataSync() as Float32Array,
    lut: grads[0].dataSync() as Float32Array,
    conv: grads[1].dataSync() as Float32Array,
  };
  tf.dispose([running, lut, conv, value, grads, plain.mse, plain.running]);
  return result;
};

/** Gradient of the conv bias, zero but for rounding where the batch's mean takes the bias away again. */
const withoutBias = (conv: Float32Array, bands: number): Float32Array => {
  const copy = conv.slice();
  copy.fill(0, 9 * bands * bands, 9 * bands * bands + bands);
  return copy;
};

beforeAll(async () => startTensorflow());
afterEach(() => insistOnForm(null));

const cases: Case[] = [
  { name: 'the published shape in small', shape: [2, 4, 16, 24], knots: 256, norm: 'batch' },
  { name: 'odd sizes', shape: [3, 4, 7, 5], knots: 16, norm: 'batch' },
  { name: 'one sample', shape: [1, 4, 33, 41], knots: 64, norm: 'batch' },
  { name: 'one sample, running statistics', shape: [1, 4, 33, 41], knots: 64, norm: 'running' },
  { name: 'more than one strip', shape: [2, 4, 260, 9], knots: 32, norm: 'batch' },
  { name: 'more than one strip, running statistics', shape: [2, 4, 260, 9], knots: 32, norm: 'running' },
  { name: 'a strip of one row', shape: [1, 2, 129, 3], knots: 4, norm: 'batch' },
  { name: 'one band', shape: [2, 1, 12, 17], knots: 2, norm: 'batch' },
  { name: 'three bands', shape: [2, 3, 12, 17], knots: 8, norm: 'running' },
  { name: 'five bands', shape: [2, 5, 12, 17], knots: 8, norm: 'batch' },
  { name: 'a single row', shape: [2, 4, 1, 13], knots: 8, norm: 'batch' },
  { name: 'a single column', shape: [2, 4, 13, 1], knots: 8, norm: 'running' },
  { name: 'a masked sample', shape: [3, 4, 14, 10], knots: 16, norm: 'batch', valid: [0.5, 0, 1] },
  { name: 'hardly a valid pixel', shape: [1, 4, 20, 20], knots: 16, norm: 'running', valid: [0.01] },
];

describe.each(cases)('$name', (of) => {
  test('fused and composed agree in value and gradient', () => {
    const values = make(of);
    const [a, b] = (['composed', 'fused'] as const).map((form) => compute(of, values, form));
    expect(b.mse).toBeGreaterThan(0);
    expect(b.withoutGradient).toBe(b.mse);
    expect(Math.abs(b.mse - a.mse) / a.mse).toBeLessThan(1e-5);
    expect(relativeDifference(a.running, b.running)).toBeLessThan(1e-5);
    expect(relativeDifference(a.lut, b.lut)).toBeLessThan(1e-4);
    const bands = of.shape[1];
    const trim = (conv: Float32Array) => (of.norm === 'batch' ? withoutBias(conv, bands) : conv);
    expect(relativeDifference(trim(a.conv), trim(b.conv))).toBeLessThan(1e-4);
    for (const gradient of [a.lut, a.conv]) expect(gradient.some((g) => g !== 0)).toBe(true);
  });
});

test('many random shapes agree', () => {
  const next = random(77);
  const upTo = (n: number): number => 1 + Math.floor(next() * n);
  for (let i = 0; i < 25; i++) {
    const of: Case = {
      name: '',
      shape: [upTo(4), upTo(6), upTo(30), upTo(40)],
      knots: 1 + upTo(60),
      norm: next() < 0.5 ? 'batch' : 'running',
      valid: [next(), next()],
      seed: i,
    };
    const values = make(of);
    const [a, b] = (['composed', 'fused'] as const).map((form) => compute(of, values, form));
    expect(Math.abs(b.mse - a.mse), JSON.stringify(of)).toBeLessThanOrEqual(1e-5 * a.mse);
    expect(relativeDifference(a.lut, b.lut), JSON.stringify(of)).toBeLessThan(1e-4);
  }
});

test.each(['composed', 'fused'] as const)(
  '%s: a batch without a valid pixel gives 0 and no gradient',
  (form) => {
    const of: Case = { name: '', shape: [2, 4, 9, 11], knots: 8, norm: 'batch', valid: [0] };
    const { mse, lut, conv, running } = compute(of, make(of), form);
    expect(mse).toBe(0);
    expect(lut.every((g) => g === 0)).toBe(true);
    expect(conv.every((g) => g === 0)).toBe(true);
    expect(running.every((value) => Number.isFinite(value))).toBe(true);
  },
);

test.each(['batch', 'running'] as const)('%s: a float64 reference has the same value and slopes', (norm) => {
  const of: Case = { name: '', shape: [2, 3, 9, 7], knots: 6, norm, seed: 5 };
  const values = make(of);
  const { mse, lut, conv } = compute(of, values, 'fused');
  const reference = (moved: Partial<Record<'lut' | 'conv', ArrayLike<number>>>): number =>
    referenceLoss({ ...values, knots: of.knots, norm, ...moved });
  expect(mse / reference({})).toBeCloseTo(1, 6);
  const slope = (key: 'lut' | 'conv', index: number, step: number): number => {
    const [up, down] = [step, -step].map((by) => {
      const moved = Float64Array.from(values[key]);
      moved[index] += by;
      return reference({ [key]: moved });
    });
    return (up - down) / (2 * step);
  };
  const every = (gradient: Float32Array, key: 'lut' | 'conv', step: number): number[] =>
    Array.from(gradient, (_, index) => slope(key, index, step));
  expect(relativeDifference(every(lut, 'lut', 1e-4), lut)).toBeLessThan(1e-4);
  expect(relativeDifference(every(conv, 'conv', 1e-6), conv)).toBeLessThan(1e-4);
});

test('the gradient scales with what comes from above, and running statistics get none', () => {
  const of: Case = { name: '', shape: [1, 4, 8, 8], knots: 8, norm: 'running' };
  const values = make(of);
  insistOnForm('fused');
  const lut = tf.tensor3d(values.lut, [1, 4, 8]);
  const running = tf.tensor1d(values.running);
  const rest = {
    conv: tf.tensor1d(values.conv),
    batch: values.batch,
    bandMax: values.bandMax,
    norm: of.norm,
  };
  const once = tf.grad((l: tf.Tensor) => alignLoss({ ...rest, lut: l as tf.Tensor3D, running }).mse)(lut);
  const thrice = tf.grad((l: tf.Tensor) =>
    tf.mul(alignLoss({ ...rest, lut: l as tf.Tensor3D, running }).mse, 3),
  )(lut);
  expect(relativeDifference(tf.mul(once, 3).dataSync(), thrice.dataSync())).toBeLessThan(1e-6);
  const none = tf.grad((r: tf.Tensor) => alignLoss({ ...rest, lut, running: r as tf.Tensor1D }).mse)(running);
  expect(none.dataSync().every((g) => g === 0)).toBe(true);
});

test('any number of threads and any repetition give the same bits', () => {
  const of: Case = { name: '', shape: [3, 4, 300, 37], knots: 32, norm: 'batch', seed: 3 };
  const values = make(of);
  const before = process.env['BANDALIGN_THREADS'];
  try {
    for (const norm of ['batch', 'running'] as const) {
      const results = ['1', '1', '2', '3', '8'].map((threads) => {
        process.env['BANDALIGN_THREADS'] = threads;
        return compute({ ...of, norm }, values, 'fused');
      });
      for (const result of results) expect(result).toStrictEqual(results[0]);
    }
  } finally {
    if (before === undefined) delete process.env['BANDALIGN_THREADS'];
    else process.env['BANDALIGN_THREADS'] = before;
  }
});

test.each(['composed', 'fused'] as const)('%s: a LUT that is no number gives a loss that is none', (form) => {
  const of: Case = { name: '', shape: [1, 4, 9, 11], knots: 8, norm: 'batch' };
  const values = make(of);
  values.lut[3] = Number.NaN;
  expect(compute(of, values, form).mse).toBeNaN();
});

test('the composed form trains on the stock wasm backend too', async () => {
  const of: Case = { name: '', shape: [2, 4, 12, 15], knots: 16, norm: 'batch' };
  const values = make(of);
  const here = compute(of, values, 'composed');
  const took = await tf.setBackend('wasm');
  try {
    expect(took).toBe(true);
    const there = compute(of, values, 'composed');
    expect(Math.abs(there.mse - here.mse)).toBeLessThan(1e-5 * here.mse);
    expect(relativeDifference(here.lut, there.lut)).toBeLessThan(1e-4);
    expect(relativeDifference(withoutBias(here.conv, 4), withoutBias(there.conv, 4))).toBeLessThan(1e-4);
  } finally {
    await tf.setBackend('cpu');
  }
});

test('threads do not hold the process back from its end', () => {
  const script = `
    import { insistOnForm } from './src/ops/form.ts';
    import { threadCount } from '../../src/ops/fused/threads.js';
import { startTensorflow } from './src/ops/tensorflow.ts';
    import { alignLoss } from './src/ops/align-loss.ts';
    import * as tf from '@tensorflow/tfjs-core';
    await startTensorflow();
    insistOnForm('fused');
    const size = 4 * 300 * 8;
    const patch = { width: 8, height: 300, bands: 4, source: new Int16Array(size), target: new Int16Array(size).fill(3), mask: new Uint8Array(2400).fill(1) };
    const { mse } = alignLoss({ lut: tf.zeros([2, 4, 8]), conv: tf.zeros([156]), running: tf.zeros([8]), batch: [patch, patch], bandMax: [9, 9, 9, 9], norm: 'batch' });
    console.log(mse.dataSync()[0]);`;
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), 'threads-'));
  try {
    const file = join(folder, 'run.mjs');
    writeFileSync(
      file,
      `import { createJiti } from ${JSON.stringify(import.meta.resolve('jiti'))};
      await createJiti(${JSON.stringify(join(root, 'run.ts'))}).evalModule(${JSON.stringify(script)}, { filename: ${JSON.stringify(join(root, 'run.ts'))}, async: true });`,
    );
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
      cwd: root,
      encoding: 'utf8',
      timeout: 40_000,
      env: { ...process.env, BANDALIGN_THREADS: '3' },
    });
    expect(stderr).toBe('');
    expect(stdout).toBe('9\n');
    expect(status).toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each(['0', '33', 'two', '-1', '1.5'])('BANDALIGN_THREADS=%s is a fault', (threads) => {
  const before = process.env['BANDALIGN_THREADS'];
  process.env['BANDALIGN_THREADS'] = threads;
  try {
    expect(() => threadCount()).toThrow(`BANDALIGN_THREADS: ${threads}; a whole number from 1 to 32`);
  } finally {
    if (before === undefined) delete process.env['BANDALIGN_THREADS'];
    else process.env['BANDALIGN_THREADS'] = before;
  }
});

test('a shape after another leaves nothing behind', () => {
  const large: Case = { name: '', shape: [2, 4, 40, 40], knots: 16, norm: 'batch', seed: 11 };
  const small: Case = { name: '', shape: [1, 3, 10, 11], knots: 8, norm: 'batch', seed: 12 };
  const first = compute(small, make(small), 'fused');
  compute(large, make(large), 'fused');
  expect(compute(small, make(small), 'fused')).toStrictEqual(first);
});
