import { unzlibSync } from 'fflate';
import { expect, test } from 'vitest';
import { changesOf, uncertaintyPicture } from '../../src/scenes/quality-pictures.js';
import { noEstimate } from '../../src/scenes/uncertainty.js';

/** Colours of a small RGBA picture whose rows are not filtered, as ours are, pixel by pixel. */
const pixelsOf = (png: Uint8Array, width: number): string[] => {
  const bytes = Buffer.from(png);
  const at = bytes.indexOf('IDAT');
  const rows = unzlibSync(bytes.subarray(at + 4, at + 4 + bytes.readUInt32BE(at - 4)));
  const stride = 1 + 4 * width;
  return Array.from({ length: (rows.length / stride) * width }, (_, i) => {
    const start = Math.floor(i / width) * stride + 1 + 4 * (i % width);
    return rows.subarray(start, start + 4).join();
  });
};

test('the change of each value is drawn over the values that a scene has', () => {
  const [blue, nir] = changesOf({ form: 'affine', slope: [0.9, 1.1], intercept: [20, -30] }, [
    { mean: 400, percentiles: { p1: 100, p99: 1100 } },
    { mean: Number.NaN, percentiles: { p1: Number.NaN, p99: Number.NaN } },
  ]);
  expect(blue[0]).toEqual({ value: 100, change: expect.closeTo(10, 4) });
  expect(blue.at(-1)).toEqual({ value: 1100, change: expect.closeTo(-90, 3) });
  // no pixel, no curve
  expect(nir).toEqual([]);
});

test('of a mapping of all bands together, the others stand at their mean', () => {
  const coefficients = Float64Array.of(0, 1, 0.5, 0, 0, 1);
  const mapping = { form: 'polynomial', degree: 1, bands: 2, scale: [1, 1], coefficients } as const;
  const [first] = changesOf(mapping, [
    { mean: 300, percentiles: { p1: 0, p99: 1000 } },
    { mean: 800, percentiles: { p1: 0, p99: 2000 } },
  ]);
  for (const { change } of first) expect(change).toBeCloseTo(400, 2);
});

test('errors fall into classes of as many pixels each; pixels without an estimate are left out', () => {
  const errors = Uint16Array.from({ length: 100 }, (_, i) => (i === 0 ? noEstimate : i));
  const { png, limits } = uncertaintyPicture({ width: 10, height: 10, bands: [errors] })!;
  expect(limits).toEqual([1, 20, 40, 60, 80, 99]);
  const [first, ...rest] = pixelsOf(png, 10);
  expect(first).toBe('0,0,0,0');
  const colours = new Map<string, number>();
  for (const colour of rest) colours.set(colour, (colours.get(colour) ?? 0) + 1);
  expect([...colours.values()]).toEqual([19, 20, 20, 20, 20]);
  expect(uncertaintyPicture({ width: 1, height: 1, bands: [Uint16Array.of(noEstimate)] })).toBeNull();
});
