import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { fromFile } from 'geotiff';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cogDirectories } from '../../src/raster/cog-layout.js';
import type { Georeference } from '../../src/raster/georeference.js';
import type { BandArray } from '../../src/raster/predictor.js';
import { withRaster } from '../../src/raster/read.js';
import type { RasterInfo } from '../../src/raster/tiff-fields.js';
import { type CogOptions, createCog } from '../../src/raster/write-cog.js';
import { gdalInfo, gdalMissing, runPython } from '../gdal.js';

const utm: Georeference = {
  transform: [199980, 10, 0, 3200040, 0, -10],
  epsg: 32629,
  pixelIsArea: true,
  geoKeys: {
    directory: [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32629],
    doubles: [],
    ascii: '',
  },
};

const info = (width: number, height: number, over: Partial<RasterInfo> = {}): RasterInfo => ({
  width,
  height,
  type: 'uint16',
  bands: [{ name: 'blue', scale: 1e-4, offset: 0 }, { name: 'nir' }],
  georeference: utm,
  nodata: 0,
  ...over,
});

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const write = async (
  path: string,
  raster: RasterInfo,
  bands: BandArray[],
  options?: CogOptions,
  step = 37,
): Promise<void> => {
  const cog = await createCog(path, raster, options);
  for (let y = 0; y < raster.height; y += step) {
    const rows = Math.min(step, raster.height - y);
    await cog.write(
      bands.map((band) => band.subarray(y * raster.width, (y + rows) * raster.width)),
      rows,
    );
  }
  await cog.finish();
};

const scene = (width: number, height: number, seed = 7): Uint16Array =>
  // a smooth surface with a corner of nodata
  Uint16Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return x + y < Math.min(width, height) / 3 ? 0 : 1000 + ((x * seed + y * 3 + ((x * y) % 11)) % 5000);
  });

/** Halves by the definition, for comparison: nodata 0 left out, rounded half up. */
const halved = (band: ArrayLike<number>, width: number, height: number): number[] => {
  const out: number[] = [];
  for (let y = 0; y < height; y += 2)
    for (let x = 0; x < width; x += 2) {
      const values = [0, 1]
        .flatMap((j) =>
          [0, 1].map((i) => (x + i < width && y + j < height ? band[(y + j) * width + x + i] : 0)),
        )
        .filter((value) => value !== 0);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      out.push(values.length === 0 ? 0 : Math.max(1, Math.floor(mean + 0.5)));
    }
  return out;
};

describe('createCog', () => {
  test('holds every sample and its overviews, for any size, rows a write and type', async () => {
    const path = join(folder, 'any.tif');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 100 }),
        fc.constantFrom('uint16' as const, 'int16' as const, 'uint8' as const),
        // four of 16 bits have a kernel of their own
        fc.constantFrom(2, 4),
        fc.infiniteStream(fc.integer({ min: 0, max: 40 })),
        async (width, height, step, type, count, stream) => {
          const Type = { uint16: Uint16Array, int16: Int16Array, uint8: Uint8Array }[type];
          const bands = Array.from({ length: count }, () =>
            new Type(width * height).map(() => stream.next().value % 30),
          );
          const names = bands.map((_, band) => ({ name: `band ${band}` }));
          await write(path, info(width, height, { type, bands: names }), bands, { tile: 16 }, step);
          const [x, y] = [width >> 1, height >> 1];
          const window = [x, y, width - x, height - y] as const;
          const backwards = bands.map((_, band) => count - band);
          const part = await withRaster(path, (raster) => raster.read({ window, bands: backwards }));
          expect(part.map((band) => Array.from(band))).toEqual(
            backwards.map((band) =>
              Array.from(bands[band - 1]).filter((_, i) => i % width >= x && i >= y * width),
            ),
          );
          const file = await fromFile(path);
          let expected: { bands: ArrayLike<number>[]; width: number; height: number } = {
            bands,
            width,
            height,
          };
          for (let level = 0; level < (await file.getImageCount()); level++) {
            const image = await file.getImage(level);
            expect([image.getWidth(), image.getHeight()]).toEqual([expected.width, expected.height]);
            const read = (await image.readRasters()) as unknown as ArrayLike<number>[];
            expect(bands.map((_, b) => Array.from(read[b]))).toEqual(
              expected.bands.map((b) => Array.from(b)),
            );
            const { width: w, height: h } = expected;
            expected = {
              bands: expected.bands.map((band) => halved(band, w, h)),
              width: Math.ceil(w / 2),
              height: Math.ceil(h / 2),
            };
          }
          file.close();
        },
      ),
      { numRuns: 40 },
    );
  });

  test('refuses bad options before it touches the disk', async () => {
    const path = join(folder, 'never', 'a.tif');
    await expect(createCog(path, info(5, 5), { tile: 100 })).rejects.toThrow(
      'tile: 100; a positive multiple of 16',
    );
    await expect(createCog(path, info(5, 5), { level: 10 })).rejects.toThrow('compression level: 10');
    await expect(createCog(path, info(5, 5), { compression: 'lzw', level: 3 })).rejects.toThrow(
      'compression level: 3; lzw has none',
    );
    expect(readdirSync(folder)).not.toContain('never');
  });

  test('zstd is written, or refused with what it needs', async () => {
    const path = join(folder, 'zstd.tif');
    const work = write(path, info(40, 40), [scene(40, 40), scene(40, 40)], { compression: 'zstd' });
    if ('zstdCompress' in (await import('node:zlib'))) {
      await work;
      const read = await (await (await fromFile(path)).getImage()).readRasters();
      expect(Array.from(read[0] as Uint16Array)).toEqual(Array.from(scene(40, 40)));
    } else await expect(work).rejects.toThrow(/compression: zstd; needs Node 22.15/);
  });

  test('abort leaves nothing, and so does a writer that lacks rows', async () => {
    const place = join(folder, 'aborted');
    const cog = await createCog(join(place, 'a.tif'), info(64, 64), { tile: 16 });
    await cog.write([scene(64, 30), scene(64, 30)], 30);
    await cog.abort();
    const other = await createCog(join(place, 'b.tif'), info(64, 64), { tile: 16 });
    await expect(other.finish()).rejects.toThrow('0 of 64 rows');
    expect(readdirSync(place)).toEqual([]);
  });

  test('clears what killed runs left, and only that', async () => {
    const place = join(folder, 'left');
    mkdirSync(place);
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const mine = (pid: number): string =>
      `.a.tif.${hostname().replace(/[^A-Za-z0-9-]/g, '-')}.${pid}.0123abcd.tmp`;
    for (const name of [mine(dead), mine(process.pid), '.a.tif.elsewhere.1.0123abcd.tmp', '.b.tif.tmp'])
      writeFileSync(join(place, name), '');
    await write(join(place, 'a.tif'), info(20, 20), [scene(20, 20), scene(20, 20)]);
    expect(readdirSync(place).sort()).toEqual(
      ['a.tif', mine(process.pid), '.a.tif.elsewhere.1.0123abcd.tmp', '.b.tif.tmp'].sort(),
    );
  });

  test('becomes BigTIFF where offsets pass 4 GB', () => {
    const counts = Array<number>(2000).fill(3 << 20);
    const { directories } = cogDirectories(info(25600, 20480), [{ width: 25600, height: 20480, counts }], {
      compression: 'deflate',
      predict: true,
      tile: 512,
    });
    expect(new DataView(directories.buffer).getUint16(2, true)).toBe(43);
  });
});

const validate = `
import sys
from osgeo import gdal
from osgeo_utils.samples.validate_cloud_optimized_geotiff import validate
gdal.UseExceptions()
warnings, errors, details = validate(sys.argv[1], full_check=True)
print(warnings + errors)
`;

describe.skipIf(gdalMissing)(`as GDAL reads it${gdalMissing}`, () => {
  test.each([
    ['deflate', 1100, 1300, {}],
    ['uncompressed', 600, 40, { compression: 'none' }],
    ['one tile', 100, 90, {}],
    ['LZW', 1100, 1300, { compression: 'lzw' }],
    ['the fastest level', 600, 40, { level: 1 }],
    ['without overviews', 1100, 600, { overviews: false }],
  ] as const)('%s is valid without errors and warnings', async (name, width, height, options) => {
    const path = join(folder, `${name}.tif`);
    const bands = [scene(width, height), scene(width, height, 5)];
    await write(path, info(width, height), bands, options);
    const lacking = 'overviews' in options ? ['overviews'] : [];
    expect(runPython(validate, path)).toMatch(new RegExp(lacking.length === 0 ? '^\\[\\]' : 'overviews'));
    const raw = join(folder, 'raw');
    writeFileSync(raw, Buffer.concat(bands.map((band) => Buffer.from(band.buffer))));
    const same = `
import sys, numpy
from osgeo import gdal
a = gdal.Open(sys.argv[1]).ReadAsArray()
print(numpy.array_equal(a, numpy.fromfile(sys.argv[2], '<u2').reshape(a.shape)))`;
    expect(runPython(same, path, raw).trim()).toBe('True');
    const read = gdalInfo(path);
    expect(read.geoTransform).toEqual(utm.transform);
    expect(read.metadata.IMAGE_STRUCTURE).toMatchObject({ LAYOUT: 'COG', INTERLEAVE: 'PIXEL' });
    expect(read.bands.map((band) => band.description)).toEqual(['blue', 'nir']);
    expect(read.bands[0]).toMatchObject({ noDataValue: 0, scale: 1e-4, block: [512, 512] });
  });

  test('tiles without data take no room, and read as nodata', async () => {
    const path = join(folder, 'sparse.tif');
    const band = new Uint16Array(1500 * 1100);
    for (let i = 0; i < 40; i++) band[i * 1501] = 1000 + i;
    await write(path, info(1500, 1100), [band, band]);
    expect(runPython(validate, path).trim()).toBe('[]');
    const missing = `
import sys, numpy
from osgeo import gdal
d = gdal.Open(sys.argv[1])
a = d.GetRasterBand(1).ReadAsArray()
sizes = [d.GetRasterBand(1).GetMetadataItem('BLOCK_SIZE_%d_%d' % (x, y), 'TIFF') for y in range(3) for x in range(3)]
print(sum(s is None for s in sizes), int((a > 0).sum()), a.shape)`;
    expect(runPython(missing, path).trim()).toBe('8 40 (1100, 1500)');
    const [again] = await withRaster(path, (raster) => raster.read({ bands: [1] }));
    expect(Buffer.from(again.buffer).equals(Buffer.from(band.buffer))).toBe(true);
  });

  test('floats with NaN and a mask by mode', async () => {
    const path = join(folder, 'float.tif');
    const values = Float32Array.from({ length: 700 * 600 }, (_, i) =>
      i % 5 === 0 ? Number.NaN : (i % 997) / 7,
    );
    const raster = info(700, 600, { type: 'float32', bands: [{ name: 'sd' }], nodata: Number.NaN });
    await write(path, raster, [values]);
    expect(runPython(validate, path).trim()).toBe('[]');
    const code = `
import sys, numpy
from osgeo import gdal
a = gdal.Open(sys.argv[1]).ReadAsArray()
i = numpy.arange(a.size)
b = numpy.where(i % 5 == 0, numpy.nan, ((i % 997) / 7)).astype('float32').reshape(a.shape)
print(numpy.array_equal(a, b, equal_nan=True))`;
    expect(runPython(code, path).trim()).toBe('True');
    const mask = join(folder, 'mask.tif');
    const classes = Uint8Array.from(
      { length: 40 * 40 },
      (_, i) => [4, 4, 9, 255][(i + Math.floor(i / 40)) % 4],
    );
    const named = info(40, 40, { type: 'uint8', bands: [{ name: 'SCL' }], nodata: 255 });
    await write(mask, named, [classes], { tile: 16, resampling: 'mode' });
    const overview = await (await (await fromFile(mask)).getImage(1)).readRasters();
    expect(new Set(overview[0] as Uint8Array)).toEqual(new Set([4, 9]));
  });

  test('BigTIFF directories, as of a file beyond 4 GB', () => {
    // the directories of a small raster in the big form, their tiles behind them
    const counts = [0];
    const raster = info(16, 16, { bands: [{ name: 'blue' }] });
    const layout = { compression: 'none', predict: false, tile: 16 } as const;
    const tile = Uint8Array.from({ length: 512 }, (_, i) => i % 251);
    counts[0] = tile.length;
    const { directories, end } = cogDirectories(raster, [{ width: 16, height: 16, counts }], layout, true);
    const path = join(folder, 'big.tif');
    const file = new Uint8Array(end);
    file.set(directories);
    file.set([0, 2, 0, 0], end - 520);
    file.set(tile, end - 516);
    file.set(tile.subarray(508), end - 4);
    writeFileSync(path, file);
    expect(runPython(validate, path).trim()).toBe('[]');
    const sum = 'import sys; from osgeo import gdal; print(gdal.Open(sys.argv[1]).ReadAsArray().sum())';
    const expected = new Uint16Array(tile.buffer).reduce((total, value) => total + value, 0);
    expect(runPython(sum, path).trim()).toBe(String(expected));
  });
});
