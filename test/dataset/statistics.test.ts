import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { PatchPixels } from '../../src/dataset/patch.js';
import { bandStatistics, quadraticLoss } from '../../src/dataset/statistics.js';
import {
  buildTable,
  identityKnots,
  type StatisticsTable,
  sumRows,
} from '../../src/dataset/statistics-table.js';

/** The loss as its definition has it: pixel by pixel through the LUT. */
const pixelLoss = (
  source: Int16Array,
  target: Int16Array,
  mask: Uint8Array,
  bandMax: number,
  lut: Float64Array,
): { sse: number; gradient: Float64Array } => {
  let sse = 0;
  const gradient = new Float64Array(lut.length);
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    const value = Math.min(Math.max(source[i], 0), bandMax - 1);
    const position = (value * (lut.length - 1)) / (bandMax - 1);
    const knot = Math.min(Math.floor(position), lut.length - 2);
    const w = position - knot;
    const error = (1 - w) * lut[knot] + w * lut[knot + 1] - target[i];
    sse += error * error;
    gradient[knot] += 2 * error * (1 - w);
    gradient[knot + 1] += 2 * error * w;
  }
  return { sse, gradient };
};

const norm = (v: ArrayLike<number>): number => Math.hypot(...Array.from(v));
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  norm(Array.from(a, (value, k) => value - b[k]));

const int16 = fc.integer({ min: -32768, max: 32767 });
const likely = fc.integer({ min: -100, max: 7000 });
const band = fc.record({
  pixels: fc.array(fc.tuple(fc.oneof(likely, int16), fc.oneof(likely, int16), fc.boolean()), {
    minLength: 1,
    maxLength: 300,
  }),
  bandMax: fc.integer({ min: 2, max: 7000 }),
  lut: fc
    .integer({ min: 2, max: 40 })
    .chain((knots) =>
      fc.array(fc.double({ min: -1000, max: 9000, noNaN: true }), { minLength: knots, maxLength: knots }),
    ),
});

const arraysOf = (pixels: readonly (readonly [number, number, boolean])[]) => ({
  source: Int16Array.from(pixels, ([x]) => x),
  target: Int16Array.from(pixels, ([, y]) => y),
  mask: Uint8Array.from(pixels, ([, , valid]) => (valid ? 255 : 0)),
});

describe('quadratic form', () => {
  test('gives the loss and gradient of the pixels (1e-6, float64): random LUTs, masks, clipped values', () => {
    fc.assert(
      fc.property(band, ({ pixels, bandMax, lut }) => {
        const { source, target, mask } = arraysOf(pixels);
        const knots = Float64Array.from(lut);
        const stats = bandStatistics(source, target, mask, bandMax, lut.length);
        const expected = pixelLoss(source, target, mask, bandMax, knots);
        const { sse, gradient } = quadraticLoss(stats, knots);
        // relative to what is summed: a loss of zero among terms of 1e9 is zero to rounding
        const terms = stats.constant + stats.n * Math.max(...lut.map(Math.abs)) ** 2;
        expect(Math.abs(sse - expected.sse)).toBeLessThanOrEqual(1e-6 * expected.sse + 1e-13 * terms);
        expect(distance(gradient, expected.gradient)).toBeLessThanOrEqual(
          1e-6 * norm(expected.gradient) + 1e-12 * Math.sqrt(terms * stats.n) + 1e-12,
        );
      }),
      { numRuns: 200 },
    );
  });

  test('moments are those of the unclipped values, exactly', () => {
    fc.assert(
      fc.property(band, ({ pixels, bandMax }) => {
        const { source, target, mask } = arraysOf(pixels);
        const sums = { n: 0, x: 0, y: 0, xx: 0, xy: 0, yy: 0 };
        for (const [x, y, valid] of pixels) {
          if (!valid) continue;
          sums.n++;
          sums.x += x;
          sums.y += y;
          sums.xx += x * x;
          sums.xy += x * y;
          sums.yy += y * y;
        }
        const stats = bandStatistics(source, target, mask, bandMax, 2);
        expect(stats.moments).toEqual(sums);
        expect([stats.n, stats.constant]).toEqual([sums.n, sums.yy]);
        expect(stats.diagonal[0] + stats.diagonal[1] + 2 * stats.offDiagonal[0]).toBeCloseTo(sums.n, 6);
      }),
    );
  });
});

/** Loss of one row and band as training computes it from the table, in float64. */
const tableLoss = (table: StatisticsTable, row: number, at: number, lut: Float64Array) => {
  const { knots, bands } = table;
  const cell = row * bands + at;
  const identity = identityKnots(table.bandMax[at], knots);
  const delta = lut.map((value, k) => value - identity[k]);
  const [a, o, b] = [table.diagonal, table.offDiagonal, table.linear].map((column) =>
    column.subarray(cell * knots, (cell + 1) * knots),
  );
  let sse = table.constant[cell];
  const gradient = new Float64Array(knots);
  for (let k = 0; k < knots; k++) {
    const product =
      a[k] * delta[k] + (k > 0 ? o[k - 1] * delta[k - 1] : 0) + (k < knots - 1 ? o[k] * delta[k + 1] : 0);
    sse += delta[k] * (product - 2 * b[k]);
    gradient[k] = 2 * (product - b[k]);
  }
  return { sse, gradient };
};

/** A patch as sensors give it: the target follows the source with a shift, a gain and noise. */
const patchOf = (seed: number, size: number, bandMax: readonly number[]): PatchPixels => {
  let state = seed;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const count = size * size;
  const source = new Int16Array(bandMax.length * count);
  const target = new Int16Array(bandMax.length * count);
  const mask = Uint8Array.from({ length: count }, () => (random() < 0.8 ? 1 : 0));
  for (const [at, max] of bandMax.entries())
    for (let i = at * count; i < (at + 1) * count; i++) {
      source[i] =
        random() < 0.02 ? Math.round((random() * 3 - 1) * max) : Math.round(max * random() * random());
      target[i] = Math.round(0.9 * source[i] + 120 + 80 * (random() + random() - 1));
    }
  return { width: size, height: size, bands: bandMax.length, source, target, mask };
};

describe('table', () => {
  const bandMax = [3000, 3000, 4000, 6500];
  const patches = [1, 2, 3].map((seed) => patchOf(seed, 64, bandMax));
  const named = patches.map((_, k) => ({
    id: `R/t_20200101-0${k}-00.tif`,
    tile: k < 2 ? 't' : 'u',
    date: '20200101',
  }));
  const table = buildTable(named, patches, { knots: 256, bins: 256, bandMax });

  test('keeps tile keys and ids', () => {
    expect(table.tiles).toEqual(['t_20200101', 't_20200101', 'u_20200101']);
    expect(table.ids[2]).toBe('R/t_20200101-02-00.tif');
  });

  test('float32 columns, centred, give the loss and gradient of the pixels to 1e-6', () => {
    fc.assert(
      fc.property(
        fc.nat(2),
        fc.nat(3),
        fc.double({ min: 0.5, max: 1.5, noNaN: true }),
        fc.double({ min: -500, max: 500, noNaN: true }),
        fc.array(fc.double({ min: -300, max: 300, noNaN: true }), { minLength: 256, maxLength: 256 }),
        (row, at, gain, offset, noise) => {
          const { source, target, mask, width, height } = patches[row];
          const of = (values: Int16Array) => values.subarray(at * width * height, (at + 1) * width * height);
          const lut = identityKnots(bandMax[at], 256).map((value, k) => gain * value + offset + noise[k]);
          const expected = pixelLoss(of(source), of(target), mask, bandMax[at], lut);
          const { sse, gradient } = tableLoss(table, row, at, lut);
          expect(Math.abs(sse / expected.sse - 1)).toBeLessThan(1e-6);
          expect(distance(gradient, expected.gradient)).toBeLessThan(1e-6 * norm(expected.gradient));
        },
      ),
      { numRuns: 60 },
    );
  });

  test('sums of rows are the statistics of their pixels together', () => {
    const sums = sumRows(table, [0, 2]);
    for (const [at, max] of bandMax.entries()) {
      const count = 64 * 64;
      const join = (pick: (patch: PatchPixels) => Int16Array): Int16Array =>
        Int16Array.from(
          [0, 2].flatMap((row) => [...pick(patches[row]).subarray(at * count, (at + 1) * count)]),
        );
      const mask = Uint8Array.from([...patches[0].mask, ...patches[2].mask]);
      const direct = bandStatistics(
        join((p) => p.source),
        join((p) => p.target),
        mask,
        max,
        256,
      );
      const stats = sums.bands[at];
      expect(stats.moments).toEqual(direct.moments);
      expect(stats.offDiagonal.length).toBe(255);
      expect(distance(stats.diagonal, direct.diagonal)).toBeLessThan(1e-6 * norm(direct.diagonal));
      const lut = identityKnots(max, 256).map((value) => 0.8 * value + 100);
      const [a, b] = [quadraticLoss(stats, lut), quadraticLoss(direct, lut)];
      expect(Math.abs(a.sse / b.sse - 1)).toBeLessThan(1e-6);
      expect(distance(a.gradient, b.gradient)).toBeLessThan(1e-6 * norm(b.gradient));
      expect(sums.sourceHistogram[at].reduce((x, y) => x + y, 0)).toBeLessThanOrEqual(direct.n);
    }
  });

  test('identical images have an error of zero at the identity LUT', () => {
    const same = {
      ...patches[0],
      target: patches[0].source.map((v, i) => Math.min(Math.max(v, 0), bandMax[i >> 12] - 1)),
    };
    const zero = buildTable([named[0]], [same], { knots: 256, bins: 256, bandMax });
    for (let at = 0; at < 4; at++) expect(zero.constant[at]).toBeLessThan(1e-3);
  });
});
