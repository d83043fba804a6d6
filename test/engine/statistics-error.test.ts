import { expect, test } from 'vitest';
import type { PatchPixels } from '../../src/dataset/patch.js';
import { buildTable, identityKnots, type StatisticsTable } from '../../src/dataset/statistics-table.js';
import { expandKnots } from '../../src/engine/lut.js';
import { rowError, type StatisticsBatch, statisticsError } from '../../src/engine/statistics-error.js';
import { random, randomPatch } from './pixels.js';

const [bandMax, knots] = [[900, 1200], 9];

const tableOf = (patches: PatchPixels[]): StatisticsTable =>
  buildTable(
    patches.map((_, i) => ({ id: `${i}`, tile: `${i}`, date: '' })),
    patches,
    { bandMax, knots, bins: 8 },
  );

const batchOf = ({ diagonal, offDiagonal, linear, constant, count }: StatisticsTable): StatisticsBatch => ({
  ...{ diagonal, offDiagonal, linear, constant, count },
  identity: Float32Array.from(bandMax.flatMap((max) => [...identityKnots(max, knots)])),
});

/** Squared error of each patch and band, pixel by pixel. */
const errorsOf = (patches: PatchPixels[], lut: Float32Array): number[] =>
  patches.flatMap(({ source, target, mask, width, height }, sample) => {
    const values = lut.subarray(sample * 2 * knots, (sample + 1) * 2 * knots);
    return expandKnots({ knots, bandMax, values }).map((table, band) => {
      let sse = 0;
      for (let i = 0; i < width * height; i++) {
        const v = Math.min(Math.max(source[band * width * height + i], 0), table.length - 1);
        if (mask[i] !== 0) sse += (table[v] - target[band * width * height + i]) ** 2;
      }
      return sse;
    });
  });

const next = random(4);
const patches = [0.8, 0.3].map((valid) => randomPatch(next, [2, 13, 11], 1300, valid));
const table = tableOf(patches);
const lut = Float32Array.from({ length: 4 * knots }, (_, i) => (i % knots) * 140 + 90 * next());
const errors = errorsOf(patches, lut);

test('the error of LUTs is that of the pixels', () => {
  const n = table.count.reduce((sum, count) => sum + count, 0);
  const { mse } = statisticsError(lut, batchOf(table));
  expect(mse / (errors.reduce((sum, error) => sum + error, 0) / n)).toBeCloseTo(1, 5);
});

test('so is that of one patch and band', () => {
  for (const [cell, expected] of errors.entries()) {
    const [row, band] = [cell >> 1, cell & 1];
    expect(rowError(table, row, band, lut, cell * knots) / expected).toBeCloseTo(1, 5);
  }
});

test('the gradient is that of finite differences, which a quadratic form has exactly', () => {
  const batch = batchOf(table);
  const { gradient } = statisticsError(lut, batch);
  for (let i = 0; i < lut.length; i++) {
    const [up, down] = [8, -8].map(
      (by) =>
        statisticsError(
          lut.map((v, k) => (k === i ? v + by : v)),
          batch,
        ).mse,
    );
    expect(Math.abs((up - down) / 16 - gradient[i])).toBeLessThan(1e-4 * Math.abs(gradient[i]) + 1e-3);
  }
});

test('no valid pixel: 0 with zero gradient', () => {
  const empty = tableOf(patches.map((patch) => ({ ...patch, mask: patch.mask.map(() => 0) })));
  const { mse, gradient } = statisticsError(lut, batchOf(empty));
  expect(mse).toBe(0);
  expect(gradient.every((value) => value === 0)).toBe(true);
});

test('an exact fit is no error below 0', () => {
  const exact = patches.map((patch) => ({
    ...patch,
    target: patch.source.map((v, i) => Math.min(Math.max(v, 0), bandMax[i < 143 ? 0 : 1] - 1)),
  }));
  const own = tableOf(exact);
  for (const band of [0, 1]) {
    const error = rowError(own, 0, band, identityKnots(bandMax[band], knots));
    expect(error).toBeGreaterThanOrEqual(0);
    expect(error).toBeLessThan(1e-3);
  }
});
