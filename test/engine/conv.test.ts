import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyConv, applyConvWindow, type ConvModule, foldConv, type Halo } from '../../src/engine/conv.js';
import { random } from './pixels.js';
import { convReference } from './reference.js';

const makeModule = (bands: number, next: () => number): ConvModule => ({
  bands,
  weight: Float32Array.from({ length: 9 * bands * bands }, () => next() - 0.5),
  scale: Float32Array.from({ length: bands }, () => 2 * next() - 0.5),
  shift: Float32Array.from({ length: bands }, () => 200 * next() - 100),
});

const makeImage = (bands: number, width: number, height: number, next: () => number): Float32Array =>
  Float32Array.from({ length: bands * width * height }, () => 3000 * next() - 100);

/** The bits, so that −0 and NaN count. */
const bits = (values: Float32Array): Uint32Array => new Uint32Array(values.slice().buffer);

const apply = (module: ConvModule, y: Float32Array, width: number, height: number) => {
  const out = new Float32Array(y.length);
  applyConv(module, y, width, height, out);
  return out;
};

test('computes y + ReLU(scale ∘ (weight ⋆ y) + shift) with zeros beyond the edge', () => {
  const next = random(4);
  const [bands, width, height] = [3, 6, 5];
  const module = makeModule(bands, next);
  const y = makeImage(bands, width, height, next);
  const expected = y.map((own, i) => {
    const output = Math.floor(i / (width * height));
    const row = Math.floor(i / width) % height;
    const column = i % width;
    let sum = 0;
    for (let input = 0; input < bands; input++)
      for (let r = Math.max(row - 1, 0); r <= Math.min(row + 1, height - 1); r++)
        for (let c = Math.max(column - 1, 0); c <= Math.min(column + 1, width - 1); c++)
          sum +=
            module.weight[((output * bands + input) * 3 + r - row + 1) * 3 + c - column + 1] *
            y[(input * height + r) * width + c];
    return own + Math.max(module.scale[output] * sum + module.shift[output], 0);
  });
  apply(module, y, width, height).forEach((value, i) => {
    expect(Math.abs(value - expected[i])).toBeLessThan(1e-5 * Math.abs(expected[i]) + 1e-3);
  });
});

const size = fc.record({
  bands: fc.integer({ min: 1, max: 6 }),
  width: fc.integer({ min: 1, max: 40 }),
  height: fc.integer({ min: 1, max: 70 }),
  seed: fc.nat(),
});

test('gives the bits of a plain loop', () => {
  fc.assert(
    fc.property(size, ({ bands, width, height, seed }) => {
      const next = random(seed);
      const module = makeModule(bands, next);
      const y = makeImage(bands, width, height, next);
      y[Math.floor(next() * y.length)] = -0;
      if (next() < 0.3) y[Math.floor(next() * y.length)] = Number.NaN;
      const a = apply(module, y, width, height);
      const b = new Float32Array(y.length);
      convReference(module, y, width, height, { left: 0, top: 0, right: 0, bottom: 0 }, b);
      expect(Array.from(a, Number.isNaN)).toStrictEqual(Array.from(b, Number.isNaN));
      expect(bits(a.map((value) => (Number.isNaN(value) ? 0 : value)))).toStrictEqual(
        bits(b.map((value) => (Number.isNaN(value) ? 0 : value))),
      );
    }),
    { numRuns: 60 },
  );
});

const cutWindow = (
  image: Float32Array,
  [bands, width, height]: readonly [number, number, number],
  [x0, y0, x1, y1]: readonly [number, number, number, number],
): Float32Array => {
  const out: number[] = [];
  for (let band = 0; band < bands; band++)
    for (let row = y0; row < y1; row++)
      for (let column = x0; column < x1; column++) out.push(image[(band * height + row) * width + column]);
  return Float32Array.from(out);
};

test('windows with a halo give the bits of the whole image', () => {
  fc.assert(
    fc.property(size, fc.array(fc.nat(), { minLength: 4, maxLength: 4 }), ({ seed, ...shape }, cuts) => {
      const { bands, width, height } = shape;
      const next = random(seed);
      const module = makeModule(bands, next);
      const y = makeImage(bands, width, height, next);
      const whole = apply(module, y, width, height);
      const x0 = cuts[0] % width;
      const x1 = x0 + 1 + (cuts[1] % (width - x0));
      const y0 = cuts[2] % height;
      const y1 = y0 + 1 + (cuts[3] % (height - y0));
      const halo: Halo = {
        left: x0 > 0 ? 1 : 0,
        right: x1 < width ? 1 : 0,
        top: y0 > 0 ? 1 : 0,
        bottom: y1 < height ? 1 : 0,
      };
      const dimensions = [bands, width, height] as const;
      const input = cutWindow(y, dimensions, [
        x0 - halo.left,
        y0 - halo.top,
        x1 + halo.right,
        y1 + halo.bottom,
      ]);
      const out = new Float32Array(bands * (x1 - x0) * (y1 - y0));
      applyConvWindow(module, input, x1 - x0, y1 - y0, halo, out);
      expect(bits(out)).toStrictEqual(bits(cutWindow(whole, dimensions, [x0, y0, x1, y1])));
    }),
    { numRuns: 60 },
  );
});

test('batch norm is folded as evaluation computes it: γ·(conv + bias − mean)/√(variance + ε) + β', () => {
  const next = random(6);
  const bands = 2;
  const theta = Float32Array.from({ length: 9 * 4 + 6 }, () => next() + 0.1);
  const running = Float32Array.from({ length: 4 }, () => next() + 0.1);
  const { weight, scale, shift } = foldConv(bands, theta, running);
  expect(weight).toEqual(theta.slice(0, 36));
  for (let band = 0; band < bands; band++) {
    const [bias, gamma, beta] = [36, 38, 40].map((at) => theta[at + band]);
    const z = 7;
    const expected = (gamma * (z + bias - running[band])) / Math.sqrt(running[bands + band] + 1e-5) + beta;
    expect(scale[band] * z + shift[band]).toBeCloseTo(expected, 4);
  }
});
