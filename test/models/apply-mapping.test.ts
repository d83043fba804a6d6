import { expect, test } from 'vitest';
import { applyTables, expandKnots } from '../../src/engine/lut.js';
import type { Knots } from '../../src/models/mapping.js';
import { applyMapping } from '../../src/models/mapping.js';
import { random } from '../engine/pixels.js';

const makeKnots = (knots: number, bandMax: number[], seed: number): Knots => {
  const next = random(seed);
  return {
    form: 'lut',
    knots,
    bandMax,
    values: Float32Array.from({ length: knots * bandMax.length }, () => 4000 * next()),
  };
};

test('values are clipped to [0, bandMax − 1] and truncated; every pixel type is read alike', () => {
  const mapping = makeKnots(16, [1000, 2000], 3);
  const tables = expandKnots(mapping);
  const source = [-32768, -1, 0, 1, 999, 1000, 32767, -5, 0, 1998, 1999, 2000, 2001, 777];
  const out = new Float32Array(14);
  applyMapping(mapping, Int16Array.from(source), 7, out);
  const expected = source.map((v, i) => {
    const table = tables[i < 7 ? 0 : 1];
    return table[Math.min(Math.max(v, 0), table.length - 1)];
  });
  expect(Array.from(out)).toStrictEqual(expected);
  const fractions = new Float32Array(14);
  applyMapping(
    mapping,
    Float32Array.from(source, (v) => (v < 0 ? v - 0.5 : v + 0.75)),
    7,
    fractions,
  );
  expect(fractions).toStrictEqual(out);
  const unsigned = new Float32Array(4);
  applyMapping(
    { ...mapping, bandMax: [1000], values: mapping.values.slice(0, 16) },
    Uint16Array.of(0, 999, 40000, 65535),
    4,
    unsigned,
  );
  expect(Array.from(unsigned)).toStrictEqual([0, 999, 999, 999].map((v) => tables[0][v]));
});

test('a float that is no value stays none; infinities are clipped', () => {
  const mapping = makeKnots(8, [500], 1);
  const out = new Float32Array(4);
  applyMapping(
    mapping,
    Float32Array.of(Number.NaN, -0.25, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
    4,
    out,
  );
  const [table] = expandKnots(mapping);
  expect(Array.from(out)).toStrictEqual([Number.NaN, table[0], table[499], table[0]]);
});

test('tables of a tile give what the mapping gives', () => {
  const mapping = makeKnots(32, [300, 400, 500], 9);
  const source = Int16Array.from({ length: 3 * 50 }, (_, i) => i * 7 - 100);
  const [whole, read] = [new Float32Array(150), new Float32Array(150)];
  applyMapping(mapping, source, 50, whole);
  applyTables(expandKnots(mapping), source, 50, read);
  expect(read).toStrictEqual(whole);
});

test('an affine mapping takes values as they are', () => {
  const out = new Float32Array(6);
  const source = Int16Array.of(-100, 0, 30000, 1, 2, 3);
  applyMapping({ form: 'affine', slope: [0.5, 2], intercept: [10, -1] }, source, 3, out);
  expect(Array.from(out)).toStrictEqual([-40, 10, 15010, 1, 3, 5]);
});
