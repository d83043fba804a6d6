import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromFile } from 'geotiff';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { BandArray } from '../../src/raster/predictor.js';
import { type GeoTiffImage, writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import type { SceneRequest } from '../../src/scenes/scene-request.js';
import { handMadeAligner } from './hand-made-aligner.js';
import { alignedInMemory } from './reference.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const utm = {
  transform: [199980, 10, 0, 3200040, 0, -10] as const,
  epsg: 32629,
  pixelIsArea: true,
  geoKeys: {
    directory: [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32629],
    doubles: [],
    ascii: '',
  },
};

/** Texture, values beyond the LUT, and a slanted border of nodata. */
const texture = (width: number, height: number, band: number): Uint16Array =>
  Uint16Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (x < (y * width) / height / 5) return 0;
    return 200 + 300 * band + ((x * x * 3 + y * 7 * (band + 1) + ((x * y) % 97)) % (2500 + 1200 * band));
  });

const [width, height] = [301, 203];
const bands = [0, 1, 2, 3].map((band) => texture(width, height, band));

const input = async (name: string, over: Partial<GeoTiffImage> = {}): Promise<string> => {
  const path = join(folder, name);
  await writeGeoTiff(path, { width, height, bands, georeference: utm, nodata: 0, tile: 64, ...over });
  return path;
};

const pixels = async (path: string): Promise<number[][]> => {
  const file = await fromFile(path);
  const read = (await (await file.getImage()).readRasters()) as unknown as BandArray[];
  file.close();
  return Array.from(read, (band) => Array.from(band));
};

const apply = async (
  request: Partial<SceneRequest> & { inputs: string[] },
  withConv = false,
  step?: number,
  threads?: number,
) => {
  const out = join(folder, 'out', 'scene.tif');
  return applyScene(
    { out, boaOffset: 0, ...request },
    { aligner: handMadeAligner({ withConv }), weights: 'hand.safetensors', step, threads },
  );
};

describe('pixels equal those of the in-memory reference', () => {
  const expected = [false, true].map((withConv) =>
    alignedInMemory({ width, height, bands, nodata: 0, withConv, type: 'uint16' }),
  );

  const same = async (out: string, withConv: boolean): Promise<void> => {
    const read = await pixels(out);
    read.forEach((band, b) => {
      expect(
        Buffer.compare(
          Buffer.from(Uint16Array.from(band).buffer),
          Buffer.from(Uint16Array.from(expected[+withConv][b]).buffer),
        ),
      ).toBe(0);
    });
  };

  test.each(
    [37, 64, 1000].flatMap((step) => [
      { step, withConv: false },
      { step, withConv: true },
    ]),
  )('$step rows read at once, conv $withConv', async ({ step, withConv }) => {
    const { out } = await apply({ inputs: [await input('scene.tif')] }, withConv, Math.min(step, height));
    await same(out, withConv);
  });

  test.each([1, 2, 3])('%s rows at once with the conv module', async (step) => {
    const small = bands.map((band) => band.subarray(0, width * 20));
    const inputs = [await input('small.tif', { height: 20, bands: small })];
    const { out } = await apply({ inputs }, true, step);
    const wanted = alignedInMemory({
      width,
      height: 20,
      bands: small,
      nodata: 0,
      withConv: true,
      type: 'uint16',
    });
    expect(await pixels(out)).toEqual(wanted);
  });

  test('threads write what one does', { timeout: 180_000 }, async () => {
    const large = { width: 1300, height: 1150 };
    const texels = [0, 1, 2, 3].map((band) => texture(large.width, large.height, band));
    const valid = Uint8Array.from(texels[0], (_, i) => +(i % 11 !== 3));
    const mask = join(folder, 'large-mask.tif');
    await writeGeoTiff(mask, { ...large, bands: [valid], georeference: utm, tile: 272 });
    // blocks of a size of their own, no multiple of the output's
    const inputs = [await input('large.tif', { ...large, bands: texels, tile: 400 })];
    const run = async (threads: number) => {
      const { out, quality } = await apply({ inputs, mask }, true, undefined, threads);
      const files = [out, out.replace('.tif', '.mask.tif')].map((file) => readFileSync(file));
      return { files, bands: quality.bands };
    };
    const [alone, together] = [await run(1), await run(2)];
    expect(together.bands).toEqual(alone.bands);
    together.files.forEach((file, k) => {
      expect(file.equals(alone.files[k])).toBe(true);
    });
  });

  test('a fault that a thread meets is told as from one, and nothing is left', {
    timeout: 60_000,
  }, async () => {
    const path = await input('torn.tif', { tile: 64 });
    const bytes = readFileSync(path);
    bytes.fill(0x55, bytes.length - 3000, bytes.length - 200);
    writeFileSync(path, bytes);
    const out = join(folder, 'torn-out', 'a.tif');
    await expect(apply({ inputs: [path], out }, true, undefined, 2)).rejects.toThrow(
      /torn.tif; damaged: tile/,
    );
    expect(readdirSync(join(folder, 'torn-out'))).toEqual([]);
  });

  test('int16 with an offset keeps its type and nodata', async () => {
    const signed = bands.map((band) =>
      Int16Array.from(band, (value) => (value === 0 ? -9999 : value + 1000)),
    );
    const inputs = [await input('signed.tif', { bands: signed, nodata: -9999 })];
    const { out } = await apply({ inputs, boaOffset: -1000 }, true);
    const wanted = { width, height, bands: signed, nodata: -9999, offset: -1000, withConv: true };
    expect(await pixels(out)).toEqual(alignedInMemory({ ...wanted, type: 'int16' }));
    expect((await (await fromFile(out)).getImage()).getGDALNoData()).toBe(-9999);
  });

  test('floats in 0–1 with NaN', async () => {
    const floats = bands.map((band) =>
      Float32Array.from(band, (value) => (value === 0 ? Number.NaN : value / 10_000)),
    );
    const inputs = [await input('floats.tif', { bands: floats, nodata: null })];
    const { out } = await apply({ inputs, scale: 1 }, true);
    const units = bands.map((band) => Float32Array.from(band, (value) => (value === 0 ? Number.NaN : value)));
    const wanted = alignedInMemory({
      width,
      height,
      bands: units,
      nodata: null,
      withConv: true,
      type: 'float32',
    });
    expect(await pixels(out)).toEqual(wanted);
  });
});

describe('nodata that its tag states in decimals', () => {
  test('is the nearest float, and comes back where it was', async () => {
    const nearest = Math.fround(-999.9);
    const floats = bands.map((band) => Float32Array.from(band, (value) => (value === 0 ? nearest : value)));
    const { out } = await apply({ inputs: [await input('decimals.tif', { bands: floats, nodata: -999.9 })] });
    expect((await (await fromFile(out)).getImage()).getGDALNoData()).toBe(nearest);
    const aligned = await pixels(out);
    aligned.forEach((band, b) => {
      expect(Array.from(band, (value) => value === nearest)).toEqual(
        Array.from(floats[b], (value) => value === nearest),
      );
    });
  });
});

describe('what stands beside', () => {
  test('all of it, and nothing temporary', async () => {
    const { out, item } = await apply({
      inputs: [await input('beside_20200219_x.tif')],
      out: join(folder, 'all', 'a.tif'),
    });
    expect(readdirSync(join(folder, 'all')).sort()).toEqual([
      'a.json',
      'a.luts.csv',
      'a.quality.html',
      'a.quality.json',
      'a.tif',
    ]);
    const stac = JSON.parse(readFileSync(item, 'utf8')) as Record<string, Record<string, unknown>>;
    expect(stac['properties']).toMatchObject({
      datetime: '2020-02-19T00:00:00Z',
      'proj:code': 'EPSG:32629',
      'proj:shape': [height, width],
      'bandalign:weights_sha256': 'ab'.repeat(32),
    });
    expect(existsSync(out)).toBe(true);
    const luts = readFileSync(join(folder, 'all', 'a.luts.csv'), 'utf8')
      .trim()
      .split('\n');
    expect(luts).toHaveLength(1 + 4 * 256);
    expect(luts[256]).toMatch(/^blue,2999,/);
  });

  test('mask and uncertainty: what they hold, with nodata and values without an estimate', async () => {
    const mask = join(folder, 'valid.tif');
    const valid = Uint8Array.from({ length: width * height }, (_, i) => (i % 7 === 0 ? 0 : 3));
    await writeGeoTiff(mask, { width, height, bands: [valid], georeference: utm });
    const bins = 256;
    const residuals = {
      count: Float64Array.from({ length: 4 * bins }, (_, i) => (i % 5 === 0 ? 0 : 10)),
      rmse: Float32Array.from({ length: 4 * bins }, (_, i) =>
        i % 5 === 0 ? Number.NaN : 20 + (i % bins) / 4,
      ),
      bias: new Float32Array(4 * bins),
    };
    const out = join(folder, 'sure', 'a.tif');
    const request = { inputs: [await input('sure.tif')], out, boaOffset: 0, mask, uncertainty: true };
    const aligner = handMadeAligner({ withConv: true, residuals });
    const { quality } = await applyScene(request, { aligner, weights: 'w', step: 50 });
    expect(await pixels(join(folder, 'sure', 'a.mask.tif'))).toEqual([
      Array.from(valid, (value) => Number(value > 0)),
    ]);
    const maxima = [3000, 3000, 4000, 6500];
    const wanted = bands.map((band, b) =>
      Array.from(band, (value) => {
        const bin = b * bins + Math.min(bins - 1, Math.floor((value * bins) / maxima[b]));
        return value === 0 || value > maxima[b] || bin % 5 === 0 ? 65535 : Math.ceil(residuals.rmse[bin]);
      }),
    );
    expect(await pixels(join(folder, 'sure', 'a.uncertainty.tif'))).toEqual(wanted);
    const sums = bands.map((band, b) => {
      let [n, sum] = [0, 0];
      band.forEach((value, i) => {
        const bin = b * bins + Math.min(bins - 1, Math.floor((value * bins) / maxima[b]));
        if (valid[i] === 0 || value === 0 || value > maxima[b] || bin % 5 === 0) return;
        n++;
        sum += residuals.rmse[bin] ** 2;
      });
      return Math.sqrt(sum / n);
    });
    quality.bands.forEach(({ expectedError, masked }, b) => {
      expect(expectedError).toBeCloseTo(sums[b], 6);
      const hidden = bands[b].filter((value, i) => value !== 0 && valid[i] === 0).length;
      expect(masked).toBeCloseTo(hidden / (width * height), 12);
    });
    // what is masked is aligned all the same, by the LUT of what is not
    const after = quality.bands[0].after.n;
    expect(after).toBe(quality.bands[0].before.n);
  });
});
