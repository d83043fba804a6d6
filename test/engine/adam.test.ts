import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type AdamStep, adamStep, adamVectors, gradientBeside } from '../../src/engine/adam.js';
import { random, relativeDifference } from './pixels.js';
import { adamReference } from './reference.js';

const hyper = { lr: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 1e-4 };
const hyperAt = (step: number) => ({ ...hyper, step, emaDecay: Math.min(0.995, (1 + step) / (10 + step)) });

const floats = (count: number, seed: number): Float32Array => {
  const next = random(seed);
  return Float32Array.from({ length: count }, () => next() - 0.5);
};

type State = Pick<AdamStep, 'theta' | 'm' | 'v' | 'ema'>;

const fresh = (count: number): State => {
  const theta = floats(count, 1);
  return { theta, m: new Float32Array(count), v: new Float32Array(count), ema: theta.slice() };
};

const run = (state: State, step: (options: AdamStep) => void = adamStep, steps = 20): State => {
  for (let i = 1; i <= steps; i++)
    step({ ...state, gradient: floats(state.theta.length, 100 + i), ...hyperAt(i) });
  return state;
};

test("is PyTorch's Adam with weight decay", () => {
  const path = new URL('../fixtures/ops/unet.json', import.meta.url);
  const { adam } = JSON.parse(readFileSync(path, 'utf8')) as {
    adam: { lr: number; weightDecay: number; theta: number[]; gradients: number[][]; thetas: number[][] };
  };
  const theta = Float32Array.from(adam.theta);
  const state = { theta, m: new Float32Array(11), v: new Float32Array(11), ema: null };
  for (const [i, gradient] of adam.gradients.entries()) {
    const options = { ...hyperAt(i + 1), lr: adam.lr, weightDecay: adam.weightDecay };
    adamStep({ ...state, gradient: Float32Array.from(gradient), ...options });
    expect(relativeDifference(theta, Float32Array.from(adam.thetas[i]))).toBeLessThan(1e-6);
  }
});

test.each([1, 4, 5, 1003])('is a plain loop on %i values', (count) => {
  const [kernel, loop] = [run(fresh(count)), run(fresh(count), adamReference)];
  for (const field of ['theta', 'm', 'v', 'ema'] as const)
    expect(relativeDifference(loop[field]!, kernel[field]!), field).toBeLessThan(1e-5);
});

test('two runs give the same bits', () => {
  expect(run(fresh(1003))).toEqual(run(fresh(1003)));
});

test('leaves the gradient alone and refuses vectors of another length', () => {
  const state = fresh(10);
  const gradient = floats(10, 3);
  adamStep({ ...state, gradient, ...hyperAt(1) });
  expect(gradient).toEqual(floats(10, 3));
  expect(() => adamStep({ ...state, gradient: floats(9, 3), ...hyperAt(2) })).toThrow(/gradient has 9/);
});

test('vectors of its own are worked on in place, to the same bits', () => {
  const { theta, m, v, ema, gradient } = adamVectors(1003);
  expect([theta, m, v, ema, gradient].map((values) => values.length)).toEqual(Array(5).fill(1003));
  expect(gradientBeside(theta)).toBe(gradient);
  expect(gradientBeside(theta.slice())).toBeNull();
  const elsewhere = fresh(1003);
  theta.set(elsewhere.theta);
  ema.set(elsewhere.theta);
  for (let step = 1; step <= 5; step++) {
    gradient.set(floats(1003, 100 + step));
    adamStep({ theta, m, v, ema, gradient, ...hyperAt(step) });
  }
  run(elsewhere, adamStep, 5);
  expect({ theta: theta.slice(), m: m.slice(), v: v.slice(), ema: ema.slice() }).toEqual(elsewhere);
});

test('optimisers with vectors of their own do not disturb each other', () => {
  const [a, b] = [adamVectors(64), adamVectors(64)];
  a.theta.fill(1);
  adamStep({ ...a, gradient: floats(64, 1), ...hyperAt(1) });
  expect(b.theta.every((value) => value === 0)).toBe(true);
});
