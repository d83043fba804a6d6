import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bandStatistics, quadraticLoss } from '../../src/dataset/statistics.js';
import { identityKnots } from '../../src/dataset/statistics-table.js';
import { matchHistograms } from '../../src/models/histogram-matching.js';
import { fitLine } from '../../src/models/linear.js';
import { globalLuts, smoothLut } from '../../src/models/smooth-lut.js';

const bandMax = 500;
const knots = 12;

const scene = (size: number, seed: number) => {
  let state = seed;
  const next = (): number => {
    state = (state * 1103515245 + 12345) % 2147483648;
    return state / 2147483648;
  };
  const source = Int16Array.from({ length: size }, () => Math.floor(next() * 700 - 100));
  const target = Int16Array.from(source, (v) => Math.round(0.8 * v + 30 + 20 * next()));
  const mask = Uint8Array.from({ length: size }, () => (next() < 0.8 ? 1 : 0));
  return { source, target, mask };
};

/** Dense solve by Gaussian elimination with pivoting. */
const solve = (matrix: number[][], right: number[]): number[] => {
  const n = right.length;
  const m = matrix.map((row, i) => [...row, right[i]]);
  for (let k = 0; k < n; k++) {
    const pivot = m
      .slice(k)
      .reduce((best, row, i) => (Math.abs(row[k]) > Math.abs(m[best][k]) ? k + i : best), k);
    [m[k], m[pivot]] = [m[pivot], m[k]];
    for (let i = k + 1; i < n; i++) {
      const factor = m[i][k] / m[k][k];
      for (let j = k; j <= n; j++) m[i][j] -= factor * m[k][j];
    }
  }
  for (let k = n - 1; k >= 0; k--) {
    for (let j = k + 1; j < n; j++) m[k][n] -= m[k][j] * m[j][n];
    m[k][n] /= m[k][k];
  }
  return m.map((row) => row[n]);
};

describe('smoothLut', () => {
  test('solves (A + λD₂ᵀD₂) L = b', () => {
    const { source, target, mask } = scene(4000, 7);
    const statistics = bandStatistics(source, target, mask, bandMax, knots);
    const smoothness = 0.05;
    const lambda = (smoothness * statistics.n) / knots;
    const matrix = Array.from({ length: knots }, () => new Array<number>(knots).fill(0));
    for (let k = 0; k < knots; k++) {
      matrix[k][k] += statistics.diagonal[k];
      if (k + 1 < knots) {
        matrix[k][k + 1] += statistics.offDiagonal[k];
        matrix[k + 1][k] += statistics.offDiagonal[k];
      }
      const second = [1, -2, 1];
      if (k + 2 < knots)
        for (let i = 0; i < 3; i++)
          for (let j = 0; j < 3; j++) matrix[k + i][k + j] += lambda * second[i] * second[j];
    }
    const expected = solve(matrix, [...statistics.linear]);
    const lut = smoothLut(statistics, identityKnots(bandMax, knots), smoothness);
    for (const [k, value] of expected.entries()) expect(lut[k]).toBeCloseTo(value, 4);
  });

  test('no LUT has a lower error than the oracle, and no pixels mean the identity', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: knots, maxLength: knots }),
        (seed, change) => {
          const { source, target, mask } = scene(600, seed);
          const statistics = bandStatistics(source, target, mask, bandMax, knots);
          const best = smoothLut(statistics, identityKnots(bandMax, knots), 1e-9);
          const other = best.map((value, k) => value + change[k]);
          expect(quadraticLoss(statistics, other).sse).toBeGreaterThanOrEqual(
            quadraticLoss(statistics, best).sse * (1 - 1e-9),
          );
        },
      ),
    );
    const nothing = bandStatistics(new Int16Array(9), new Int16Array(9), new Uint8Array(9), bandMax, knots);
    expect([...smoothLut(nothing, identityKnots(bandMax, knots), 1e-3)]).toEqual([
      ...identityKnots(bandMax, knots),
    ]);
  });
});

describe('fitLine', () => {
  const momentsOf = (x: number[], y: number[]) => ({
    n: x.length,
    x: x.reduce((a, b) => a + b, 0),
    y: y.reduce((a, b) => a + b, 0),
    xx: x.reduce((a, b) => a + b * b, 0),
    xy: x.reduce((a, b, i) => a + b * y[i], 0),
    yy: y.reduce((a, b) => a + b * b, 0),
  });
  test('ols and rma find an exact line', () => {
    const x = [1, 2, 3, 10];
    const y = x.map((v) => 3 - 0.5 * v);
    for (const method of ['ols', 'rma'] as const) {
      const { slope, intercept } = fitLine(momentsOf(x, y), method);
      expect(slope).toBeCloseTo(-0.5, 12);
      expect(intercept).toBeCloseTo(3, 12);
    }
  });
  test('one value or none', () => {
    expect(fitLine(momentsOf([5, 5], [7, 9]))).toEqual({ slope: 1, intercept: 3 });
    expect(fitLine(momentsOf([], []))).toEqual({ slope: 1, intercept: 0 });
  });
});

describe('matchHistograms', () => {
  test('a shifted histogram is shifted back', () => {
    const bins = 50;
    const source = Float64Array.from({ length: bins }, (_, i) => (i >= 10 && i < 30 ? i : 0));
    const target = Float64Array.from({ length: bins }, (_, i) => (i >= 15 && i < 35 ? i - 5 : 0));
    const lut = matchHistograms(source, target, bandMax, knots);
    for (let k = 0; k < knots; k++) {
      const value = (k * (bandMax - 1)) / (knots - 1);
      expect(lut[k]).toBeCloseTo(value + 50, 6);
    }
  });
  test('never decreases', () => {
    const counts = fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 20, maxLength: 20 });
    fc.assert(
      fc.property(counts, counts, (source, target) => {
        const lut = matchHistograms(source, target, bandMax, knots);
        for (let k = 1; k < knots; k++) expect(lut[k]).toBeGreaterThanOrEqual(lut[k - 1] - 1e-9);
      }),
    );
  });
});

describe('globalLuts', () => {
  const statisticsOf = (seed: number) => {
    const { source, target, mask } = scene(400, seed);
    return bandStatistics(source, target, mask, bandMax, knots);
  };
  const lutOf = (smoothness: number | number[]) =>
    globalLuts({
      sums: { bands: [statisticsOf(7)] },
      patches: { rows: { train: [0], val: [1] }, sum: () => ({ bands: [statisticsOf(8)] }) },
      data: { bandMax: [bandMax] },
      settings: { knots, globalLut: { smoothness } },
    } as never).values;

  test('takes the λ with the least error on the validation list, whatever their order', () => {
    const candidates = [1e-3, 1, 1e3];
    const errors = candidates.map((one) => quadraticLoss(statisticsOf(8), lutOf(one)).sse);
    const best = candidates[errors.indexOf(Math.min(...errors))];
    expect(lutOf(candidates)).toEqual(lutOf(best));
    expect(lutOf(candidates.toReversed())).toEqual(lutOf(best));
  });
});
