import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { PatchPixels } from '../../src/dataset/patch.js';
import { openPixelRoom, type PixelRoom, pixelError } from '../../src/engine/cpu/pixel-error.js';
import { threadCount } from '../../src/engine/cpu/threads.js';
import { convLayout } from '../../src/engine/layout.js';
import { random, randomPatch, relativeDifference } from './pixels.js';
import { pixelErrorReference } from './reference.js';
import { withThreads } from './threads.js';

// Checked once against PyTorch 1.13.0 (interpolate, gather, conv2d, batch_norm; batch of 4 × 512², K 256), the kernels
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
  patches: PatchPixels[];
  norm: 'batch' | 'running';
  bandMax: number[];
}

const make = ({
  shape: [samples, bands, height, width],
  knots,
  norm,
  valid = [0.7],
  seed = 1,
}: Case): Values => {
  const next = random(seed);
  const bandMax = Array.from({ length: bands }, (_, band) => 2000 + 317 * band);
  const patches = Array.from({ length: samples }, (_, sample) =>
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
    patches,
    bandMax,
    norm,
  };
};

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

/** Slopes of the float64 reference at `indices` of the LUTs or of the conv module's parameters. */
const slopes = (of: Case, values: Values, key: 'lut' | 'conv', step: number, indices: number[]): number[] =>
  indices.map((index) => {
    const [up, down] = [step, -step].map((by) => {
      const moved = Float64Array.from(values[key]);
      moved[index] += by;
      return pixelErrorReference({ ...values, knots: of.knots, [key]: moved });
    });
    return (up - down) / (2 * step);
  });

const some = (next: () => number, length: number): number[] =>
  Array.from({ length: 12 }, () => Math.floor(next() * length));

describe.each(cases)('$name', (of) => {
  test('value and gradients are those of plain loops in float64', () => {
    const values = make(of);
    const { mse, dLut, dConv } = pixelError(values);
    expect(mse).toBeGreaterThan(0);
    expect(mse / pixelErrorReference({ ...values, knots: of.knots })).toBeCloseTo(1, 5);
    const next = random(9);
    for (const [key, gradient, step] of [
      ['lut', dLut, 1e-3],
      ['conv', dConv, 1e-6],
    ] as const) {
      expect(gradient.some((g) => g !== 0)).toBe(true);
      const indices = some(next, gradient.length);
      const expected = slopes(of, values, key, step, indices);
      const norm = Math.hypot(...gradient) / Math.sqrt(gradient.length);
      for (const [i, index] of indices.entries())
        expect(Math.abs(gradient[index] - expected[i]), `${key} ${index}`).toBeLessThan(
          1e-3 * Math.abs(expected[i]) + 1e-3 * norm,
        );
    }
  });
});

test.each(['batch', 'running'] as const)('%s: every slope is that of the float64 reference', (norm) => {
  const of: Case = { name: '', shape: [2, 3, 9, 7], knots: 6, norm, seed: 5 };
  const values = make(of);
  const { mse, dLut, dConv } = pixelError(values);
  expect(mse / pixelErrorReference({ ...values, knots: of.knots })).toBeCloseTo(1, 6);
  const all = (gradient: Float32Array): number[] => [...gradient.keys()];
  expect(relativeDifference(slopes(of, values, 'lut', 1e-4, all(dLut)), dLut)).toBeLessThan(1e-4);
  expect(relativeDifference(slopes(of, values, 'conv', 1e-6, all(dConv)), dConv)).toBeLessThan(1e-4);
});

test('running statistics move towards mean and unbiased variance of z, and stay where they normalise', () => {
  const of: Case = { name: '', shape: [2, 1, 6, 5], knots: 4, norm: 'batch' };
  const values = make(of);
  // the convolution hands its input on: z = y + 3
  values.conv.fill(0);
  values.conv[4] = 1;
  values.conv.set([3, 1, 0], 9);
  values.lut.set([0, 100, 200, 300, 0, 100, 200, 300]);
  const [max] = values.bandMax;
  const z = values.patches.flatMap(({ source }) =>
    Array.from(source, (v) => (300 * Math.min(Math.max(v, 0), max - 1)) / (max - 1) + 3),
  );
  const mean = z.reduce((sum, value) => sum + value, 0) / z.length;
  const variance = z.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (z.length - 1);
  const { running } = pixelError(values);
  expect(running[0] / (0.9 * values.running[0] + 0.1 * mean)).toBeCloseTo(1, 5);
  expect(running[1] / (0.9 * values.running[1] + 0.1 * variance)).toBeCloseTo(1, 5);
  expect(pixelError({ ...values, norm: 'running' }).running).toEqual(values.running);
});

test('a batch without a valid pixel gives 0 and no gradient', () => {
  const values = make({ name: '', shape: [2, 4, 9, 11], knots: 8, norm: 'batch', valid: [0] });
  const { mse, dLut, dConv, running } = pixelError(values);
  expect(mse).toBe(0);
  expect([...dLut, ...dConv].every((g) => g === 0)).toBe(true);
  expect(running.every((value) => Number.isFinite(value))).toBe(true);
});

test('any number of threads and any repetition give the same bits', async () => {
  const of: Case = { name: '', shape: [3, 4, 300, 37], knots: 32, norm: 'batch', seed: 3 };
  for (const norm of ['batch', 'running'] as const) {
    const values = make({ ...of, norm });
    const results: unknown[] = [];
    for (const threads of [1, 1, 2, 3, 8]) results.push(await withThreads(threads, () => pixelError(values)));
    for (const result of results) expect(result).toStrictEqual(results[0]);
  }
});

test('a LUT that is no number gives an error that is none', () => {
  const values = make({ name: '', shape: [1, 4, 9, 11], knots: 8, norm: 'batch' });
  values.lut[3] = Number.NaN;
  expect(pixelError(values).mse).toBeNaN();
});

test('a shape after another leaves nothing behind', () => {
  const large: Case = { name: '', shape: [2, 4, 40, 40], knots: 16, norm: 'batch', seed: 11 };
  const small: Case = { name: '', shape: [1, 3, 10, 11], knots: 8, norm: 'batch', seed: 12 };
  const first = pixelError(make(small));
  pixelError(make(large));
  expect(pixelError(make(small))).toStrictEqual(first);
});

/** The same patch in room of the kernels' memory. */
const moved = ({ source, target, mask, ...size }: PatchPixels, { allocate }: PixelRoom): PatchPixels => {
  const { buffer, byteOffset } = allocate(2 * source.length + 2 * target.length + mask.length);
  const at = byteOffset + 2 * source.length;
  const patch = {
    ...size,
    source: new Int16Array(buffer, byteOffset, source.length),
    target: new Int16Array(buffer, at, target.length),
    mask: new Uint8Array(buffer, at + 2 * target.length, mask.length),
  };
  patch.source.set(source);
  patch.target.set(target);
  patch.mask.set(mask);
  return patch;
};

test('patches are read where they lie in the kernels’ memory, to the same bits', () => {
  const shapes = [
    [2, 4, 40, 41],
    [3, 3, 10, 11],
    [3, 4, 140, 24],
  ] as const;
  const cases = shapes.map((shape, seed) => make({ name: '', shape, knots: 16, norm: 'batch', seed }));
  const expected = cases.map(pixelError);
  const room = openPixelRoom()!;
  expect(openPixelRoom()).toBeNull();
  for (let epoch = 0; epoch < 2; epoch++) {
    // the first half in the room, the rest copied, as when there is no more room
    const inRoom = cases.map((values) => ({
      ...values,
      patches: values.patches.map((patch, i) => (i < 2 ? moved(patch, room) : patch)),
    }));
    for (const [i, values] of inRoom.entries()) expect(pixelError(values)).toStrictEqual(expected[i]);
    for (const [i, values] of inRoom.entries()) expect(pixelError(values)).toStrictEqual(expected[i]);
    room.restart();
  }
  room.release();
  expect(pixelError(cases[1])).toStrictEqual(expected[1]);
  openPixelRoom()!.release();
});

test('threads do not hold the process back from its end', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const script = `
    import { createJiti } from 'jiti';
    const { pixelError } = await createJiti(${JSON.stringify(`${root}/`)}).import('./src/engine/cpu/pixel-error.ts');
    const size = 4 * 300 * 8;
    const patch = { width: 8, height: 300, bands: 4, source: new Int16Array(size), target: new Int16Array(size).fill(3), mask: new Uint8Array(2400).fill(1) };
    const { mse } = pixelError({ lut: new Float32Array(64), conv: new Float32Array(156), running: new Float32Array(8), patches: [patch, patch], bandMax: [9, 9, 9, 9], norm: 'batch' });
    console.log(mse);`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: root,
    encoding: 'utf8',
    timeout: 40_000,
    env: { ...process.env, BANDALIGN_THREADS: '3' },
  });
  expect(stderr).toBe('');
  expect(stdout).toBe('9\n');
  expect(status).toBe(0);
});

test.each(['0', '33', 'two', '-1', '1.5'])('BANDALIGN_THREADS=%s is a fault', async (threads) => {
  await expect(withThreads(threads, threadCount)).rejects.toThrow(
    `BANDALIGN_THREADS: ${threads}; a whole number from 1 to 32`,
  );
});
