import { expect, test } from 'vitest';
import { hasConverged } from '../../src/training/converged.js';
import type { EpochRecord } from '../../src/training/fit.js';

/** A training of 20 epochs, validated at some of them: [epoch, RMSE]. */
const training = (...validated: [number, number][]): EpochRecord[] =>
  Array.from({ length: 20 }, (_, i): EpochRecord => {
    const found = validated.find(([epoch]) => epoch === i + 1);
    const record = { epoch: i + 1, step: i + 1, lr: 1e-3, mse: 1, loss: 1, seconds: 1 };
    return found ? { ...record, val: { mse: found[1] ** 2, rmse: [found[1]] } } : record;
  });

test('converged: no more than 1 % is gained over the last fifth', () => {
  expect(hasConverged(training([5, 90], [16, 50], [20, 49.6]))).toBe(true);
  expect(hasConverged(training([5, 90], [16, 50], [20, 49.4]))).toBe(false);
  // an error that grows has not been falling
  expect(hasConverged(training([16, 50], [20, 60]))).toBe(true);
});

test('between validations the error changes linearly', () => {
  // at epoch 16 it was 51
  expect(hasConverged(training([12, 52], [20, 50]))).toBe(false);
  // at epoch 16 it was 50.25
  expect(hasConverged(training([12, 50.5], [20, 50]))).toBe(true);
});

test('with too few validations the training error tells', () => {
  expect(hasConverged(training([20, 50]))).toBe(true);
  const falling = training([18, 51], [20, 50]).map((record) => ({ ...record, mse: 1 / record.epoch }));
  expect(hasConverged(falling)).toBe(false);
});

test('a training of few epochs cannot tell', () => {
  expect(hasConverged([])).toBeNull();
  expect(hasConverged(training().slice(0, 4))).toBeNull();
});
