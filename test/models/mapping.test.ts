import { expect, test } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import type { Patch, PatchPixels } from '../../src/dataset/patch.js';
import { polynomialTerms } from '../../src/dataset/polynomial-terms.js';
import { applyConv } from '../../src/engine/conv.js';
import { evaluate } from '../../src/evaluation/evaluate.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import type { ErrorSums } from '../../src/metrics/error-sums.js';
import { alignPixels, applyMapping, type Polynomial, pixelAligner } from '../../src/models/mapping.js';
import { mappingTensors, readMapping } from '../../src/models/mapping-tensors.js';
import { ignoreProgress } from '../../src/progress.js';
import { handMadeConv, handMadeKnots } from '../scenes/hand-made-aligner.js';

const scale = [3000, 3000, 4000, 6500];

const polynomial = (degree: 1 | 2 | 3): Polynomial => {
  const random = seededRandom('polynomial', degree);
  const { length } = polynomialTerms(4, degree);
  const coefficients = Float64Array.from({ length: 4 * length }, () => 400 * random.normal());
  return { form: 'polynomial', degree, bands: 4, scale, coefficients };
};

/** Σ over exponents up to the degree, as the definition reads. */
const byDefinition = (
  { degree, coefficients }: Polynomial,
  pixel: readonly number[],
  band: number,
): number => {
  const x = pixel.map((value, b) => value / scale[b]);
  const terms = polynomialTerms(4, degree);
  return terms.reduce(
    (sum, term, t) => sum + coefficients[band * terms.length + t] * term.reduce((p, b) => p * x[b], 1),
    0,
  );
};

const pixelsOf = (seed: number, width = 97, height = 61): PatchPixels => {
  const random = seededRandom('pixels', seed);
  const source = Int16Array.from({ length: 4 * width * height }, () => random.integer(5000) - 300);
  return {
    width,
    height,
    bands: 4,
    source,
    target: source.map((value) => value + random.integer(200) - 100),
    mask: Uint8Array.from({ length: width * height }, () => (random.integer(4) > 0 ? 1 : 0)),
  };
};

test('terms stand by total degree, then in lexicographic order, the constant first', () => {
  expect([1, 2, 3].map((degree) => polynomialTerms(4, degree).length)).toEqual([5, 15, 35]);
  expect(polynomialTerms(3, 2)).toEqual([
    ...[[], [0], [1], [2]],
    ...[
      [0, 0],
      [0, 1],
      [0, 2],
      [1, 1],
      [1, 2],
      [2, 2],
    ],
  ]);
  const cubic = polynomialTerms(4, 3).map((term) => term.join(''));
  expect(new Set(cubic).size).toBe(35);
  expect(cubic.slice(15, 19)).toEqual(['000', '001', '002', '003']);
});

test('a polynomial with a max takes values as clipped to it, and keeps NaN', () => {
  const mapping: Polynomial = { ...polynomial(3), max: [3000, 2000, 4000, 6500] };
  const source = Float32Array.of(-50, 3500, 2500, 100, 4100, 4000, 7000, Number.NaN);
  const out = new Float64Array(8);
  applyMapping(mapping, source, 2, out);
  for (let band = 0; band < 4; band++) {
    expect(out[band * 2]).toBeCloseTo(byDefinition(mapping, [0, 2000, 4000, 6500], band), 8);
    expect(out[band * 2 + 1]).toBeNaN();
  }
  const restored = readMapping(mappingTensors(mapping), 256, scale);
  expect(restored).toEqual(mapping);
});

test.each([1, 2, 3] as const)(
  'a polynomial of degree %s takes every band into every band, unclipped, in float64',
  (degree) => {
    const mapping = polynomial(degree);
    const pixels = pixelsOf(degree);
    const n = pixels.width * pixels.height;
    const aligned = pixelAligner(null)(mapping)(pixels);
    expect(aligned).toBeInstanceOf(Float64Array);
    for (let i = 0; i < n; i++) {
      const pixel = [0, 1, 2, 3].map((band) => pixels.source[band * n + i]);
      for (let band = 0; band < 4; band++)
        expect(aligned[band * n + i]).toBeCloseTo(byDefinition(mapping, pixel, band), 8);
    }
  },
);

test('degree 1 with a diagonal of coefficients is a line per band', () => {
  const coefficients = new Float64Array(20);
  const [slope, intercept] = [
    [1.1, 0.9, 1.02, 0.97],
    [12, -30, 4.5, 0],
  ];
  for (let band = 0; band < 4; band++) {
    coefficients[5 * band] = intercept[band];
    coefficients[5 * band + 1 + band] = slope[band] * scale[band];
  }
  const pixels = pixelsOf(4);
  const line = pixelAligner(null)({ form: 'affine', slope, intercept })(pixels);
  const same = pixelAligner(null)({ form: 'polynomial', degree: 1, bands: 4, scale, coefficients })(pixels);
  for (let i = 0; i < line.length; i++) expect(same[i]).toBeCloseTo(line[i], 8);
});

test('NaN in one source band is NaN in every target band of that pixel, and of no other', () => {
  const source = Float32Array.of(100, 200, 300, Number.NaN, 500, 600, 700, 800);
  const out = new Float32Array(8);
  applyMapping(polynomial(2), source, 2, out);
  expect(Array.from(out, Number.isNaN)).toEqual([false, true, false, true, false, true, false, true]);
});

test('a conv module stands behind a polynomial as behind a LUT', () => {
  const pixels = pixelsOf(5);
  const mapping = polynomial(2);
  const mapped = new Float32Array(pixels.source.length);
  applyMapping(mapping, pixels.source, pixels.width * pixels.height, mapped);
  const expected = new Float32Array(mapped.length);
  applyConv(handMadeConv, mapped, pixels.width, pixels.height, expected);
  expect(alignPixels(mapping, handMadeConv, pixels)).toEqual(expected);
});

test('one aligner serves tiles of other mappings and patches of other sizes', () => {
  const alignerOf = pixelAligner(null);
  const lut = handMadeKnots(new Float64Array(1024).fill(1));
  for (const mapping of [lut, polynomial(1), lut, polynomial(3)])
    for (const pixels of [pixelsOf(6), pixelsOf(7, 13, 5), pixelsOf(8)])
      expect(Float32Array.from(alignerOf(mapping)(pixels))).toEqual(alignPixels(mapping, null, pixels));
});

test('the pass over pixels scores polynomials, and hands on each patch’s sums, tile by tile', async () => {
  const mapping = polynomial(2);
  const patches = ['a', 'b', 'a'].map((tile, i) => ({ id: String(i), region: 'r', tile, date: '' }) as Patch);
  const read = ({ id }: Patch): PatchPixels => pixelsOf(Number(id));
  const { data } = resolveExperiment({});
  const given: [string, readonly ErrorSums[]][] = [];
  const records = await evaluate({
    data: { ...data, ndvi: null },
    split: 'val',
    patches,
    read,
    mapping: async () => mapping,
    conv: null,
    onPatch: ({ id }, sums) => given.push([id, sums]),
    onProgress: ignoreProgress,
  });
  expect(given.map(([id]) => id)).toEqual(['0', '2', '1']);
  expect(records.map(({ tile, ndvi }) => [tile, ndvi])).toEqual([
    ['a', null],
    ['b', null],
  ]);
  const [first, second] = given.map(([, sums]) => sums[3]);
  expect(records[0].bands[3].squared).toBe(first.squared + second.squared);
  const { source, target, mask } = read(patches[1]);
  let squared = 0;
  for (let i = 0; i < mask.length; i++) {
    const pixel = [0, 1, 2, 3].map((band) => source[band * mask.length + i]);
    if (mask[i] === 1) squared += (byDefinition(mapping, pixel, 3) - target[3 * mask.length + i]) ** 2;
  }
  expect(records[1].bands[3].squared / squared).toBeCloseTo(1, 10);
});
