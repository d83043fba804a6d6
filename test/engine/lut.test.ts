import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyTables, expandKnots, type KnotTables, lutHead, lutHeadGradient } from '../../src/engine/lut.js';
import { random } from './pixels.js';

const makeKnots = (knots: number, bandMax: number[], seed: number): KnotTables => {
  const next = random(seed);
  return {
    knots,
    bandMax,
    values: Float32Array.from({ length: knots * bandMax.length }, () => 4000 * next()),
  };
};

test('a LUT is read by linear interpolation between equally spaced knots, its ends at 0 and bandMax − 1', () => {
  const shape = fc.record({
    knots: fc.integer({ min: 2, max: 300 }),
    bandMax: fc.array(fc.integer({ min: 2, max: 7000 }), { minLength: 1, maxLength: 4 }),
    seed: fc.nat(),
  });
  fc.assert(
    fc.property(shape, ({ knots, bandMax, seed }) => {
      const lut = makeKnots(knots, bandMax, seed);
      const tables = expandKnots(lut);
      bandMax.forEach((max, band) => {
        const values = lut.values.subarray(band * knots, (band + 1) * knots);
        expect(tables[band]).toHaveLength(max);
        expect(tables[band][0]).toBe(values[0]);
        expect(tables[band][max - 1]).toBe(values[knots - 1]);
        for (let v = 0; v < max; v += 1 + (max >> 6)) {
          const position = (v * (knots - 1)) / (max - 1);
          const knot = Math.min(Math.floor(position), knots - 2);
          const expected = values[knot] + (position - knot) * (values[knot + 1] - values[knot]);
          expect(Math.abs(tables[band][v] - expected)).toBeLessThan(1e-3);
        }
      });
    }),
  );
});

test('values are clipped to [0, bandMax − 1] and truncated; every pixel type is read alike', () => {
  const tables = expandKnots(makeKnots(16, [1000, 2000], 3));
  const source = [-32768, -1, 0, 1, 999, 1000, 32767, -5, 0, 1998, 1999, 2000, 2001, 777];
  const out = new Float32Array(14);
  applyTables(tables, Int16Array.from(source), 7, out);
  const expected = source.map((v, i) => {
    const table = tables[i < 7 ? 0 : 1];
    return table[Math.min(Math.max(v, 0), table.length - 1)];
  });
  expect(Array.from(out)).toStrictEqual(expected);
  const fractions = new Float32Array(14);
  applyTables(
    tables,
    Float32Array.from(source, (v) => (v < 0 ? v - 0.5 : v + 0.75)),
    7,
    fractions,
  );
  expect(fractions).toStrictEqual(out);
  const unsigned = new Float32Array(4);
  applyTables(tables.slice(0, 1), Uint16Array.of(0, 999, 40000, 65535), 4, unsigned);
  expect(Array.from(unsigned)).toStrictEqual([0, 999, 999, 999].map((v) => tables[0][v]));
});

test('a float that is no value stays none; infinities are clipped', () => {
  const [table] = expandKnots(makeKnots(8, [500], 1));
  const out = new Float32Array(4);
  const source = Float32Array.of(Number.NaN, -0.25, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY);
  applyTables([table], source, 4, out);
  expect(Array.from(out)).toStrictEqual([Number.NaN, table[0], table[499], table[0]]);
});

test('the head is ReLU(out)·scale, or base + out·scale for every sample, and its gradient the slope of that', () => {
  const out = Float32Array.of(-1, 2, 0, 3);
  const dLut = Float32Array.of(1, 1, 1, 0.5);
  const head = (base: Float32Array | null): number[] => [...lutHead(out, base, 100, new Float32Array(4))];
  const gradient = (base: Float32Array | null): number[] => [
    ...lutHeadGradient(dLut, out, base, 100, new Float32Array(4)),
  ];
  expect(head(null)).toEqual([0, 200, 0, 300]);
  expect(gradient(null)).toEqual([0, 100, 0, 50]);
  const base = Float32Array.of(1000, 2000);
  expect(head(base)).toEqual([900, 2200, 1000, 2300]);
  expect(gradient(base)).toEqual([100, 100, 100, 50]);
});
