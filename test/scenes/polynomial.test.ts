import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromFile } from 'geotiff';
import { afterAll, expect, test } from 'vitest';
import { polynomialTerms } from '../../src/dataset/polynomial-terms.js';
import { applyConv } from '../../src/engine/conv.js';
import type { Polynomial } from '../../src/models/mapping.js';
import type { BandArray } from '../../src/raster/predictor.js';
import { type GeoTiffImage, writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import type { SceneRequest } from '../../src/scenes/scene-request.js';
import { bandMax, handMadeAligner, handMadeConv } from './hand-made-aligner.js';

const folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
afterAll(() => rmSync(folder, { recursive: true }));

const [width, height] = [83, 57];
const n = width * height;

/** Texture; nodata in all bands along a border, and in one band alone here and there. */
const stored = [0, 1, 2, 3].map((band) =>
  Uint16Array.from({ length: n }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (x < y / 5 || (i % 11 === 3 && band === i % 4)) return 0;
    return 150 + 250 * band + ((x * x * 3 + y * 17 * (band + 1) + ((x * y) % 97)) % (2000 + 900 * band));
  }),
);
const isEmpty = (i: number): boolean => stored.some((band) => band[i] === 0);
const mask = Uint8Array.from({ length: n }, (_, i) => (i % 7 === 0 ? 0 : 1));

const terms = polynomialTerms(4, 2);
/** A little of every term; some outputs fall below 0, where uint16 ends. */
const mapping: Polynomial = {
  form: 'polynomial',
  degree: 2,
  bands: 4,
  scale: bandMax,
  coefficients: Float64Array.from({ length: 4 * terms.length }, (_, k) => {
    const [band, t] = [Math.floor(k / terms.length), k % terms.length];
    return t === 0 ? -90 : t === 1 + band ? 0.9 * bandMax[band] : 130 * Math.sin(7 * k);
  }),
};

/** The polynomial at every pixel, as its definition reads; nodata counts as 0, float32. [4, height, width]. */
const mapped = Float32Array.from({ length: 4 * n }, (_, k) => {
  const [band, i] = [Math.floor(k / n), k % n];
  let sum = 0;
  for (const [t, term] of terms.entries())
    sum +=
      mapping.coefficients[band * terms.length + t] *
      term.reduce((p, b) => (p * stored[b][i]) / bandMax[b], 1);
  return sum;
});
const convolved = new Float32Array(4 * n);
applyConv(handMadeConv, mapped, width, height, convolved);

const toUint16 = (values: Float32Array): number[][] =>
  stored.map((_, band) =>
    Array.from({ length: n }, (_, i) =>
      // a valid pixel does not become nodata, 0: it takes the value beside it
      isEmpty(i) ? 0 : Math.max(1, Math.floor(values[band * n + i] + 0.5)),
    ),
  );

const read = async (path: string): Promise<number[][]> => {
  const file = await fromFile(path);
  const bands = (await (await file.getImage()).readRasters()) as unknown as BandArray[];
  file.close();
  return Array.from(bands, (band) => Array.from(band));
};

const georeference = {
  transform: [199980, 10, 0, 3200040, 0, -10] as const,
  epsg: 32629,
  pixelIsArea: true,
  geoKeys: {
    directory: [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32629],
    doubles: [],
    ascii: '',
  },
};

const write = async (name: string, over: Partial<GeoTiffImage> = {}): Promise<string> => {
  const path = join(folder, name);
  await writeGeoTiff(path, { width, height, bands: stored, georeference, nodata: 0, ...over });
  return path;
};

const apply = async (
  name: string,
  request: Partial<SceneRequest> & { inputs: string[] },
  { step, withConv = false, ...over }: { step?: number } & Parameters<typeof handMadeAligner>[0] = {},
) =>
  applyScene(
    { out: join(folder, name, 'a.tif'), boaOffset: 0, ...request },
    { aligner: handMadeAligner({ withConv, mapping: async () => mapping, ...over }), weights: 'w', step },
  );

/** One unit, where the plain loop and the program round a half differently: they multiply in another order. */
const expectSame = (found: number[][], wanted: number[][]): void => {
  found.forEach((band, b) => {
    expect(band.map((value) => value === 0)).toEqual(wanted[b].map((value) => value === 0));
    band.forEach((value, i) => {
      expect(Math.abs(value - wanted[b][i])).toBeLessThanOrEqual(1);
    });
    expect(band.filter((value, i) => value !== wanted[b][i]).length).toBeLessThan(n / 500);
  });
};

test.each([1, 7, 57])(
  'every band of a pixel goes into each, %s rows read at once; nodata in one is nodata in all',
  async (step) => {
    const { out } = await apply('plain', { inputs: [await write('plain.tif')] }, { step });
    expectSame(await read(out), toUint16(mapped));
  },
);

test.each([1, 7, 57])('a conv module stands behind it, %s rows read at once', async (step) => {
  const { out } = await apply('conv', { inputs: [await write('conv.tif')] }, { step, withConv: true });
  expectSame(await read(out), toUint16(convolved));
});

test('floats with NaN: NaN in one band is NaN in all', async () => {
  const floats = stored.map((band) => Float32Array.from(band, (value) => (value === 0 ? Number.NaN : value)));
  const { out } = await apply('floats', {
    inputs: [await write('floats.tif', { bands: floats, nodata: null })],
  });
  (await read(out)).forEach((band, b) => {
    band.forEach((value, i) => {
      if (isEmpty(i)) expect(value).toBeNaN();
      else expect(Math.abs(value - mapped[b * n + i])).toBeLessThan(1e-3);
    });
  });
});

test.each([false, true])(
  'the report counts pixels with data in every band that the mask leaves (conv %s)',
  async (withConv) => {
    const path = join(folder, 'valid.tif');
    await writeGeoTiff(path, { width, height, bands: [mask], georeference });
    const residuals = {
      count: new Float64Array(1024).fill(10),
      rmse: new Float32Array(1024).fill(25),
      bias: new Float32Array(1024),
    };
    const name = `report-${withConv}`;
    const request = { inputs: [await write('report.tif')], mask: path, uncertainty: true };
    const { quality } = await apply(name, request, { withConv, residuals });
    const values = toUint16(withConv ? convolved : mapped);
    quality.bands.forEach(({ after, before }, b) => {
      const counted = values[b].filter((_, i) => mask[i] === 1 && !isEmpty(i));
      expect(after.n).toBe(counted.length);
      expect(before.n).toBe(stored[b].filter((value, i) => mask[i] === 1 && value !== 0).length);
      expect(after.mean).toBeCloseTo(counted.reduce((sum, value) => sum + value, 0) / counted.length, 1);
    });
    expect(await read(join(folder, name, 'a.mask.tif'))).toEqual([Array.from(mask)]);
    expect(await read(join(folder, name, 'a.uncertainty.tif'))).toEqual(
      stored.map((band, b) =>
        Array.from(band, (value, i) => (isEmpty(i) || value > bandMax[b] ? 65535 : 25)),
      ),
    );
  },
);

test('beside the scene stand the coefficients, of products of stored values', async () => {
  await apply('csv', { inputs: [await write('csv.tif')] });
  const [head, ...lines] = readFileSync(join(folder, 'csv', 'a.luts.csv'), 'utf8')
    .trim()
    .split('\n');
  expect(head).toBe('band,term,coefficient');
  expect(lines).toHaveLength(4 * 15);
  expect(lines.slice(0, 7).map((line) => line.split(',').slice(0, 2).join(' '))).toEqual([
    'blue 1',
    'blue blue',
    'blue green',
    'blue red',
    'blue nir',
    'blue blue*blue',
    'blue blue*green',
  ]);
  const i = Array.from({ length: n }, (_, at) => at).find((at) => !isEmpty(at))!;
  const of: Record<string, number> = Object.fromEntries(
    ['blue', 'green', 'red', 'nir'].map((band, b) => [band, stored[b][i]]),
  );
  const green = lines
    .map((line) => line.split(','))
    .filter(([band]) => band === 'green')
    .reduce(
      (sum, [, term, c]) => sum + Number(c) * term.split('*').reduce((p, name) => p * (of[name] ?? 1), 1),
      0,
    );
  expect(green).toBeCloseTo(mapped[n + i], 2);
});
