import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Fault } from '../../src/fault.js';
import { insistOnForm, isFused, opForms } from '../../src/ops/form.js';
import { slotFor } from '../../src/ops/fused/unet-room.js';
import { startTensorflow } from '../../src/ops/tensorflow.js';
import { unet } from '../../src/ops/unet.js';
import { type UnetSpec, unetLayout } from '../../src/ops/unet-layout.js';
import { random, relativeDifference } from './pixels.js';
import { type UnetCase, unetCase, unetForward, unetGradient } from './unet-cases.js';

const published: UnetSpec = { bands: 4, knots: 256, width: 8, depth: 4, norm: 'batch', groups: 4 };
const small: UnetSpec = { bands: 2, knots: 21, width: 4, depth: 2, norm: 'batch', groups: 2 };
const forms = ['fused', 'composed'] as const;

beforeAll(async () => startTensorflow());
afterEach(() => insistOnForm(null));

test('the fused form is chosen on the cpu backend, and says so', () => {
  expect(isFused('unet')).toBe(true);
  expect(opForms().unet).toEqual({ form: 'fused', why: 'cpu backend' });
});

interface Reference {
  unet: (Record<'theta' | 'running' | 'x' | 'weight' | 'out' | 'moved' | 'gradient', number[]> &
    Pick<UnetCase, 'spec' | 'batch' | 'norm'>)[];
}

describe('agrees with PyTorch', () => {
  const path = new URL('../fixtures/ops/unet.json', import.meta.url);
  const references = (JSON.parse(readFileSync(path, 'utf8')) as Reference).unet;
  for (const form of forms)
    for (const reference of references) {
      const { spec, batch, norm } = reference;
      test(`${form}, ${spec.norm} norm, ${norm} statistics, ${spec.knots} knots`, () => {
        const floats = (values: number[]): Float32Array => Float32Array.from(values);
        const values: UnetCase = {
          spec,
          batch,
          norm,
          theta: floats(reference.theta),
          running: floats(reference.running),
          x: floats(reference.x),
          weight: floats(reference.weight),
        };
        const { out, moved } = unetForward(values, form);
        expect(relativeDifference(out, floats(reference.out))).toBeLessThan(3e-6);
        if (spec.norm === 'batch')
          expect(relativeDifference(moved, floats(reference.moved))).toBeLessThan(1e-6);
        expect(relativeDifference(unetGradient(values, form), floats(reference.gradient))).toBeLessThan(1e-5);
      });
    }
});

/** Shapes of all kinds: odd lengths, single bands, channels that are no multiple of 4, one sample. */
const shapes = fc
  .record({
    bands: fc.integer({ min: 1, max: 7 }),
    width: fc.integer({ min: 1, max: 9 }),
    depth: fc.integer({ min: 1, max: 3 }),
    knots: fc.integer({ min: 16, max: 75 }),
    norm: fc.constantFrom('batch' as const, 'group' as const),
    divisor: fc.nat(8),
    batch: fc.integer({ min: 1, max: 4 }),
    by: fc.constantFrom('batch' as const, 'running' as const),
    seed: fc.integer({ min: 1, max: 1e6 }),
  })
  .map(({ divisor, batch, by, seed, ...shape }) => {
    const divisors = Array.from({ length: shape.width }, (_, i) => i + 1).filter(
      (d) => shape.width % d === 0,
    );
    const spec: UnetSpec = { ...shape, groups: divisors[divisor % divisors.length] };
    return unetCase(spec, batch, by, seed);
  });

describe('the fused form agrees with the composed one', () => {
  test('in output, statistics and gradient, on random shapes', () => {
    fc.assert(
      fc.property(shapes, (values) => {
        const fused = unetForward(values, 'fused');
        const composed = unetForward(values, 'composed');
        expect(relativeDifference(fused.out, composed.out)).toBeLessThan(1e-5);
        expect(relativeDifference(fused.moved, composed.moved)).toBeLessThan(1e-5);
        const gradient = unetGradient(values, 'fused');
        expect(relativeDifference(gradient, unetGradient(values, 'composed'))).toBeLessThan(1e-4);
      }),
      { numRuns: 20, seed: 2022 },
    );
  });

  test.each([
    ['the published shape', published, 4, 'batch'],
    ['the published shape, running statistics', published, 4, 'running'],
    ['our recipe, one sample', { ...published, norm: 'group' }, 1, 'batch'],
    ['one position at the bottom', { ...small, knots: 7, norm: 'group' }, 2, 'batch'],
  ] as const)('%s', (_, spec, batch, norm) => {
    const values = unetCase(spec, batch, norm, 7);
    const { out } = unetForward(values, 'fused');
    expect(relativeDifference(out, unetForward(values, 'composed').out)).toBeLessThan(1e-5);
    const gradient = unetGradient(values, 'fused');
    expect(relativeDifference(gradient, unetGradient(values, 'composed'))).toBeLessThan(1e-4);
  });
});

// the composed form's gradient is held to the fused one's above
describe('the gradient is that of finite differences', () => {
  test.each(['group', 'batch'] as const)('%s norm', (norm) => {
    const values = unetCase({ ...small, norm }, 2, 'batch', 3);
    const gradient = unetGradient(values, 'fused');
    const next = random(11);
    const sum = (theta: Float32Array): number => {
      const { out } = unetForward({ ...values, theta }, 'fused');
      return out.reduce((total, value, i) => total + value * values.weight[i], 0);
    };
    /** Difference quotient less the gradient's word, along random signs of one tensor. */
    const errorAlong = (offset: number, size: number): number => {
      const direction = new Float32Array(gradient.length);
      for (let i = offset; i < offset + size; i++) direction[i] = next() < 0.5 ? -1 : 1;
      const expected = gradient.reduce((total, value, i) => total + value * direction[i], 0);
      const step = 2e-4 / Math.sqrt(size);
      const along = (sign: number): number =>
        sum(values.theta.map((value, i) => value + sign * step * direction[i]));
      return Math.abs((along(1) - along(-1)) / (2 * step) - expected);
    };
    for (const { name, offset, size } of unetLayout(values.spec).parameters) {
      // most directions agree to 0.2 %, some meet a kink of ReLU or max-pool within the step; a wrong gradient has no two
      const errors = Array.from({ length: 7 }, () => errorAlong(offset, size)).sort((a, b) => a - b);
      const slope = Math.hypot(...gradient.subarray(offset, offset + size));
      expect(errors[1], name).toBeLessThan(0.05 * slope + 2e-3 * Math.sqrt(size));
    }
  });
});

describe('the fused form keeps passes apart', () => {
  const values = unetCase(small, 3, 'batch', 5);

  test('two runs give the same bits', () => {
    expect(unetForward(values, 'fused')).toEqual(unetForward(values, 'fused'));
    expect(unetGradient(values, 'fused')).toEqual(unetGradient(values, 'fused'));
  });

  test('any number of threads gives the same bits', async () => {
    const before = process.env['BANDALIGN_THREADS'];
    const cases = [unetCase(published, 3, 'batch', 7), unetCase({ ...small, norm: 'group' }, 5, 'batch', 9)];
    try {
      for (const each of cases) {
        const results: unknown[] = [];
        for (const threads of ['1', '2', '3', '8']) {
          process.env['BANDALIGN_THREADS'] = threads;
          unetForward(each, 'fused');
          await setTimeout(100); // until those that were just asked for are there
          results.push([unetForward(each, 'fused'), unetGradient(each, 'fused')]);
        }
        for (const result of results) expect(result).toStrictEqual(results[0]);
      }
    } finally {
      if (before === undefined) delete process.env['BANDALIGN_THREADS'];
      else process.env['BANDALIGN_THREADS'] = before;
    }
  });

  test('another forward pass before the backward one changes nothing', () => {
    const other = unetCase(small, 3, 'batch', 6);
    const alone = unetGradient(values, 'fused');
    expect(unetGradient(values, 'fused', () => void unetForward(other, 'fused'))).toEqual(alone);
  });

  test('nor do more shapes than are kept in memory', () => {
    const alone = unetGradient(values, 'fused');
    const others = (): void => {
      for (let batch = 4; batch < 12; batch++) unetForward(unetCase(small, batch, 'batch', batch), 'fused');
    };
    expect(unetGradient(values, 'fused', others)).toEqual(alone);
  });

  test('samples of a large batch are as they are alone, and their gradients add up', () => {
    const many = unetCase({ ...small, norm: 'group' }, 70, 'batch', 8);
    const size = small.bands * small.knots;
    const { out } = unetForward(many, 'fused');
    const gradient = unetGradient(many, 'fused');
    const total = new Float64Array(gradient.length);
    for (let sample = 0; sample < 70; sample++) {
      const range = [sample * size, (sample + 1) * size] as const;
      const one = { ...many, batch: 1, x: many.x.slice(...range), weight: many.weight.slice(...range) };
      expect(unetForward(one, 'fused').out).toEqual(out.slice(...range));
      for (const [i, value] of unetGradient(one, 'fused').entries()) total[i] += value;
    }
    expect(relativeDifference(gradient, Float32Array.from(total))).toBeLessThan(1e-5);
  });
});

describe.each(forms)('%s form', (form) => {
  test('gives no gradient to the histogram', () => {
    insistOnForm(form);
    const values = unetCase(small, 2, 'batch', 9);
    const [theta, running] = [tf.tensor1d(values.theta), tf.tensor1d(values.running)];
    const loss = (x: tf.Tensor): tf.Scalar =>
      tf.sum(unet({ theta, running, x: x as tf.Tensor3D, spec: small, norm: 'batch' }).out);
    const gradient = tf.grad(loss)(tf.tensor3d(values.x, [2, small.bands, small.knots]));
    expect(Math.max(...gradient.dataSync().map(Math.abs))).toBe(0);
  });

  test('passes NaN on', () => {
    const values = unetCase(small, 2, 'batch', 10);
    values.x[5] = Number.NaN;
    expect(unetForward(values, form).out.every(Number.isNaN)).toBe(true);
  });

  test('hands back the statistics of a group norm, which has none', () => {
    const values = unetCase({ ...small, norm: 'group' }, 1, 'batch', 12);
    expect(values.running).toHaveLength(0);
    expect(unetForward(values, form).moved).toHaveLength(0);
  });

  test('leaks no tensor', () => {
    const values = unetCase(small, 2, 'batch', 13);
    unetGradient(values, form);
    const { numTensors } = tf.memory();
    unetGradient(values, form);
    expect(tf.memory().numTensors).toBe(numTensors);
  });
});

test('batch norm over one value per channel is refused', () => {
  const spec = { ...small, knots: 4, depth: 2 };
  expect(() => unetForward(unetCase(spec, 1, 'batch', 1), 'fused')).toThrow(Fault);
  expect(() => unetForward(unetCase(spec, 1, 'running', 1), 'fused')).not.toThrow();
});

test('a UNet that no memory holds is refused before anything is allocated', () => {
  const huge: UnetSpec = { ...published, width: 256, depth: 7 };
  expect(() => slotFor(huge, 4)).toThrow(/^kernel memory: \d+\.\d GiB/);
  expect(() => slotFor(small, 2)).not.toThrow();
});

test('vectors of another length are refused', () => {
  const values = unetCase(small, 2, 'batch', 1);
  const short = { ...values, theta: values.theta.slice(1) };
  expect(() => unetForward(short, 'fused')).toThrow(/theta has \d+ values/);
});
