import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bandErrors, ndviErrors } from '../../src/metrics/error-sums.js';
import { random } from '../engine/pixels.js';

/** Sum without loss: Shewchuk's partials would be exact; Kahan–Neumaier is far below the tolerance. */
const carefulSum = (values: readonly number[]): number => {
  let sum = 0;
  let lost = 0;
  for (const value of values) {
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return sum + lost;
};

const make = (seed: number, pixels: number, valid: number) => {
  const next = random(seed);
  const target = Int16Array.from({ length: 3 * pixels }, () => 4000 * next() - 200);
  return {
    target,
    prediction: Float32Array.from(target, (y) => y + 100 * next() - 40),
    mask: Uint8Array.from({ length: pixels }, () => (next() < valid ? 255 : 0)),
  };
};

const shape = fc.record({
  seed: fc.nat(),
  pixels: fc.integer({ min: 0, max: 10_000 }),
  valid: fc.constantFrom(0, 0.3, 1),
});

test('sums of a band agree with careful sums to 1e-12', () => {
  fc.assert(
    fc.property(shape, fc.integer({ min: 0, max: 2 }), ({ seed, pixels, valid }, band) => {
      const { target, prediction, mask } = make(seed, pixels, valid);
      const at = Array.from(mask.keys())
        .filter((i) => mask[i] !== 0)
        .map((i) => band * pixels + i);
      const e = at.map((i) => prediction[i] - target[i]);
      const y = at.map((i) => target[i]);
      const sums = bandErrors(prediction, { target, mask }, band);
      const size = carefulSum(e.map(Math.abs));
      expect(sums.n).toBe(at.length);
      expect(Math.abs(sums.error - carefulSum(e))).toBeLessThanOrEqual(1e-12 * size);
      expect(Math.abs(sums.absolute - size)).toBeLessThanOrEqual(1e-12 * size);
      const squared = carefulSum(e.map((value) => value * value));
      expect(Math.abs(sums.squared - squared)).toBeLessThanOrEqual(1e-12 * squared);
      expect(sums.target).toBe(carefulSum(y));
      expect(sums.targetSquared).toBe(carefulSum(y.map((value) => value * value)));
    }),
    { numRuns: 30 },
  );
});

test('sums of the vegetation index agree with careful sums to 1e-12', () => {
  fc.assert(
    fc.property(shape, ({ seed, pixels, valid }) => {
      const { target, prediction, mask } = make(seed, pixels, valid);
      const index = (values: ArrayLike<number>, i: number): number =>
        (values[2 * pixels + i] - values[pixels + i]) / (values[2 * pixels + i] + values[pixels + i]);
      const e: number[] = [];
      const y: number[] = [];
      for (let i = 0; i < pixels; i++) {
        if (mask[i] === 0 || !Number.isFinite(index(target, i)) || !Number.isFinite(index(prediction, i)))
          continue;
        y.push(index(target, i));
        e.push(index(prediction, i) - index(target, i));
      }
      const sums = ndviErrors(prediction, { target, mask }, 1, 2);
      expect(sums.n).toBe(y.length);
      const close = (value: number, terms: number[]): void =>
        expect(Math.abs(value - carefulSum(terms))).toBeLessThanOrEqual(
          1e-12 * carefulSum(terms.map(Math.abs)),
        );
      close(sums.error, e);
      close(sums.absolute, e.map(Math.abs));
      close(
        sums.squared,
        e.map((value) => value * value),
      );
      close(sums.target, y);
      close(
        sums.targetSquared,
        y.map((value) => value * value),
      );
    }),
    { numRuns: 30 },
  );
});

test('a zero denominator of target or prediction is counted and left out', () => {
  const target = Int16Array.of(100, 0, -50, 100, 7, /* nir */ 300, 0, 50, 200, 7);
  const prediction = Float32Array.of(100, 10, 20, -100, 7, /* nir */ 300, 30, 40, 100, 7);
  const sums = ndviErrors(prediction, { target, mask: Uint8Array.of(1, 1, 1, 1, 0) }, 0, 1);
  expect(sums).toStrictEqual({
    n: 1,
    error: 0,
    squared: 0,
    absolute: 0,
    target: 0.5,
    targetSquared: 0.25,
    skipped: 3,
  });
});
