import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type UnetInputs, unetForward } from '../../src/engine/cpu/unet.js';
import { initialise, initialRunning, type UnetSpec, unetLayout } from '../../src/engine/layout.js';
import { Fault } from '../../src/fault.js';
import { random, relativeDifference } from './pixels.js';
import { unetReference } from './reference.js';
import { withThreads } from './threads.js';

const published: UnetSpec = { bands: 4, knots: 256, width: 8, depth: 4, norm: 'batch', groups: 4 };
const small: UnetSpec = { bands: 2, knots: 21, width: 4, depth: 2, norm: 'batch', groups: 2 };

/** Values of a pass, and the weights of the sum over its output that is differentiated. */
interface Case extends UnetInputs {
  weight: Float32Array;
}

/** Random values with norms, biases and running statistics away from their defaults. */
const makeCase = (spec: UnetSpec, samples: number, norm: 'batch' | 'running', seed: number): Case => {
  const next = random(seed);
  const layout = unetLayout(spec);
  const theta = initialise(layout, next);
  for (const { shape, offset, size } of layout.parameters)
    if (shape.length === 1) for (let i = 0; i < size; i++) theta[offset + i] += 0.4 * next() - 0.2;
  const running = initialRunning(layout).map((value) => value * (0.05 + next()) + 0.04 * (next() - 0.5));
  const size = samples * spec.bands * spec.knots;
  return {
    spec,
    layout,
    samples,
    norm,
    theta,
    running: running.map((value) => Math.max(value, -0.02)),
    input: Float32Array.from({ length: size }, () => next()),
    weight: Float32Array.from({ length: size }, () => next() - 0.5),
  };
};

const forward = (values: Case) => {
  const out = new Float32Array(values.input.length);
  const moved = new Float32Array(values.running.length);
  const pass = unetForward(values, out, moved);
  return { out, moved, pass };
};

/** Output, moved statistics and the gradient of Σ weight·out; `between` runs between the two passes. */
const compute = (values: Case, between: () => void = () => {}) => {
  const { out, moved, pass } = forward(values);
  between();
  const gradient = new Float32Array(values.theta.length);
  pass.backward(values.weight, gradient);
  return { out, moved, gradient };
};

interface Fixture
  extends Record<'theta' | 'running' | 'x' | 'weight' | 'out' | 'moved' | 'gradient', number[]> {
  spec: UnetSpec;
  batch: number;
  norm: 'batch' | 'running';
}

describe('agrees with PyTorch', () => {
  const path = new URL('../fixtures/ops/unet.json', import.meta.url);
  const fixtures = (JSON.parse(readFileSync(path, 'utf8')) as { unet: Fixture[] }).unet;
  test.for(fixtures)('$spec.norm norm, $norm statistics, $spec.knots knots', (fixture) => {
    const floats = (values: number[]): Float32Array => Float32Array.from(values);
    const { out, moved, gradient } = compute({
      spec: fixture.spec,
      layout: unetLayout(fixture.spec),
      samples: fixture.batch,
      norm: fixture.norm,
      theta: floats(fixture.theta),
      running: fixture.spec.norm === 'batch' ? floats(fixture.running) : new Float32Array(0),
      input: floats(fixture.x),
      weight: floats(fixture.weight),
    });
    expect(relativeDifference(out, floats(fixture.out))).toBeLessThan(3e-6);
    if (fixture.spec.norm === 'batch')
      expect(relativeDifference(moved, floats(fixture.moved))).toBeLessThan(1e-6);
    expect(relativeDifference(gradient, floats(fixture.gradient))).toBeLessThan(1e-5);
  });
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
    samples: fc.integer({ min: 1, max: 4 }),
    by: fc.constantFrom('batch' as const, 'running' as const),
    seed: fc.integer({ min: 1, max: 1e6 }),
  })
  .map(({ divisor, samples, by, seed, ...shape }) => {
    const divisors = Array.from({ length: shape.width }, (_, i) => i + 1).filter(
      (d) => shape.width % d === 0,
    );
    const spec: UnetSpec = { ...shape, groups: divisors[divisor % divisors.length] };
    return makeCase(spec, samples, by, seed);
  });

const referenceOf = ({ spec, samples, norm, running, input }: Case, theta: ArrayLike<number>) =>
  unetReference(spec, samples, norm, theta, running, input);

/** Slopes of the reference along random signs of each tensor, and what the gradient says of them. */
const slopes = (values: Case, gradient: Float32Array): { expected: number[]; found: number[] } => {
  const next = random(11);
  const sum = (theta: ArrayLike<number>): number =>
    referenceOf(values, theta).out.reduce((total, value, i) => total + value * values.weight[i], 0);
  const [expected, found]: number[][] = [[], []];
  for (const { offset, size } of values.layout.parameters) {
    const direction = new Float64Array(gradient.length);
    for (let i = offset; i < offset + size; i++) direction[i] = next() < 0.5 ? -1 : 1;
    const step = 1e-7;
    const along = (sign: number): number =>
      sum(Float64Array.from(values.theta, (value, i) => value + sign * step * direction[i]));
    expected.push((along(1) - along(-1)) / (2 * step));
    found.push(gradient.reduce((total, value, i) => total + value * direction[i], 0));
  }
  return { expected, found };
};

describe('agrees with plain loops in float64', () => {
  test('in output and statistics, on random shapes', () => {
    fc.assert(
      fc.property(shapes, (values) => {
        const { out, moved } = forward(values);
        const reference = referenceOf(values, values.theta);
        expect(relativeDifference(reference.out, out)).toBeLessThan(1e-5);
        expect(relativeDifference(reference.moved, moved)).toBeLessThan(1e-5);
      }),
      { numRuns: 20, seed: 2022 },
    );
  });

  test.each([
    ['batch norm', small, 3, 'batch'],
    ['running statistics', small, 2, 'running'],
    ['group norm', { ...small, norm: 'group' }, 2, 'batch'],
    ['odd lengths, three bands', { ...small, bands: 3, knots: 27, width: 3, depth: 3 }, 2, 'batch'],
    // from 32 channels on by minimal filtering: pairs of positions that end within a tile of four, or a run of sums
    ['many channels, odd lengths', { ...small, knots: 45, width: 32, depth: 1 }, 3, 'batch'],
    ['many channels, group norm', { ...small, knots: 14, width: 40, depth: 1, norm: 'group' }, 1, 'batch'],
    ['one position at the bottom', { ...small, knots: 7, norm: 'group' }, 2, 'batch'],
  ] as const)('the gradient is that of finite differences: %s', (_, spec, samples, norm) => {
    const values = makeCase(spec, samples, norm, 3);
    const { gradient } = compute(values);
    const { expected, found } = slopes(values, gradient);
    expect(relativeDifference(expected, found)).toBeLessThan(1e-4);
  });

  test('the published shape, value and gradient', () => {
    const values = makeCase(published, 2, 'batch', 7);
    const { out, moved } = forward(values);
    const reference = referenceOf(values, values.theta);
    expect(relativeDifference(reference.out, out)).toBeLessThan(1e-5);
    expect(relativeDifference(reference.moved, moved)).toBeLessThan(1e-5);
  });
});

describe('passes are kept apart', () => {
  const values = makeCase(small, 3, 'batch', 5);

  test('two runs give the same bits', () => {
    expect(compute(values)).toEqual(compute(values));
  });

  test('any number of threads gives the same bits', async () => {
    for (const each of [
      makeCase(published, 3, 'batch', 7),
      makeCase({ ...small, norm: 'group' }, 5, 'batch', 9),
    ]) {
      const results: unknown[] = [];
      for (const threads of [1, 2, 3, 8])
        await withThreads(threads, async () => {
          forward(each);
          await setTimeout(100); // until those that were just asked for are there
          results.push(compute(each));
        });
      for (const result of results) expect(result).toStrictEqual(results[0]);
    }
  });

  test('another forward pass before the backward one changes nothing', () => {
    const other = makeCase(small, 3, 'batch', 6);
    expect(compute(values, () => void forward(other))).toEqual(compute(values));
  });

  test('nor do more shapes than are kept in memory', () => {
    const others = (): void => {
      for (let samples = 4; samples < 12; samples++) forward(makeCase(small, samples, 'batch', samples));
    };
    expect(compute(values, others)).toEqual(compute(values));
  });

  test('samples of a large batch are as they are alone, and their gradients add up', () => {
    const many = makeCase({ ...small, norm: 'group' }, 70, 'batch', 8);
    const size = small.bands * small.knots;
    const { out, gradient } = compute(many);
    const total = new Float64Array(gradient.length);
    for (let sample = 0; sample < 70; sample++) {
      const range = [sample * size, (sample + 1) * size] as const;
      const one = compute({
        ...many,
        samples: 1,
        input: many.input.slice(...range),
        weight: many.weight.slice(...range),
      });
      expect(one.out).toEqual(out.slice(...range));
      for (const [i, value] of one.gradient.entries()) total[i] += value;
    }
    expect(relativeDifference(gradient, Float32Array.from(total))).toBeLessThan(1e-5);
  });
});

test('passes NaN on', () => {
  const values = makeCase(small, 2, 'batch', 10);
  values.input[5] = Number.NaN;
  expect(forward(values).out.every(Number.isNaN)).toBe(true);
});

test('running statistics stay as they are where they normalise', () => {
  const values = makeCase(small, 2, 'running', 12);
  expect(forward(values).moved).toEqual(values.running);
});

test('batch norm over one value per channel is refused', () => {
  const spec = { ...small, knots: 4, depth: 2 };
  expect(() => forward(makeCase(spec, 1, 'batch', 1))).toThrow(Fault);
  expect(() => forward(makeCase(spec, 1, 'running', 1))).not.toThrow();
});

test('a UNet that no memory holds is refused, and the next one computes', () => {
  const values = makeCase({ ...small, norm: 'group' }, 2, 'batch', 13);
  const before = forward(values).out;
  const huge: UnetSpec = { ...published, knots: 2 ** 20, width: 256, depth: 1 };
  const layout = unetLayout(huge);
  const inputs = {
    spec: huge,
    layout,
    samples: 2,
    norm: 'batch' as const,
    theta: new Float32Array(layout.parameterCount),
    running: new Float32Array(layout.runningCount),
    input: new Float32Array(2 * 4 * 2 ** 20),
  };
  const run = () => unetForward(inputs, new Float32Array(0), new Float32Array(layout.runningCount));
  expect(run).toThrow(/^kernel memory: \d+\.\d GiB/);
  expect(forward(values).out).toEqual(before);
});

test('vectors of another length are refused', () => {
  const values = makeCase(small, 2, 'batch', 1);
  expect(() => forward({ ...values, theta: values.theta.slice(1) })).toThrow(/theta has \d+ values/);
  expect(() => forward({ ...values, running: values.running.slice(1) })).toThrow(/running has \d+ values/);
});
