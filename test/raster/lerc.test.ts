import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pixelArrays } from '../../src/raster/raster.js';
import { withRaster } from '../../src/raster/read.js';
import { gdalMissing, runPython } from '../gdal.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const hasLerc =
  gdalMissing === '' &&
  runPython(
    "from osgeo import gdal; print('LERC_ZSTD' in gdal.GetDriverByName('GTiff').GetMetadataItem('DMD_CREATIONOPTIONLIST'))",
  ).trim() === 'True';
const missing = hasLerc ? '' : gdalMissing || ' (skipped: GDAL has no LERC)';

/** Writes a noisy image of three bands, its corner NaN where it holds floats, and its samples beside it. */
const write = `
import sys, numpy
from osgeo import gdal
gdal.UseExceptions()
path, kind, *options = sys.argv[1:]
rng = numpy.random.default_rng(3)
a = (rng.normal(900, 250, (3, 70, 90)) if kind != 'uint8' else rng.integers(0, 255, (3, 70, 90))).astype(kind)
if kind.startswith('float'): a[:, :20, :30] = numpy.nan
code = dict(uint8=gdal.GDT_Byte, uint16=gdal.GDT_UInt16, int16=gdal.GDT_Int16, float32=gdal.GDT_Float32, float64=gdal.GDT_Float64)[kind]
d = gdal.GetDriverByName('GTiff').Create(path, 90, 70, 3, code, options)
d.WriteArray(a)
d = None
a.tofile(path + '.raw')`;

describe.skipIf(missing)(`LERC as GDAL writes it${missing}`, () => {
  test.each([
    ['uint16', ['COMPRESS=LERC', 'TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=32']],
    ['uint16', ['COMPRESS=LERC_DEFLATE', 'INTERLEAVE=BAND', 'TILED=YES', 'BLOCKXSIZE=48', 'BLOCKYSIZE=32']],
    ['int16', ['COMPRESS=LERC_ZSTD', 'BLOCKYSIZE=16']],
    ['uint8', ['COMPRESS=LERC', 'ENDIANNESS=BIG']],
    ['int16', ['COMPRESS=LERC', 'ENDIANNESS=BIG']],
    ['float32', ['COMPRESS=LERC', 'TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=32']],
    ['float32', ['COMPRESS=LERC_DEFLATE', 'INTERLEAVE=BAND']],
    ['float64', ['COMPRESS=LERC_ZSTD']],
  ] as const)('%s, %j: every sample', async (kind, options) => {
    const path = join(folder, 'a.tif');
    runPython(write, path, kind, ...options);
    const raw = readFileSync(`${path}.raw`);
    const wanted = new pixelArrays[kind](raw.buffer.slice(raw.byteOffset, raw.byteOffset + raw.length));
    const read = await withRaster(path, (raster) => raster.read());
    expect(read.flatMap((band) => Array.from(band))).toEqual(Array.from(wanted));
  });

  test('big-endian floats are refused: swapped, they look like NaN to whoever compresses', async () => {
    const path = join(folder, 'big.tif');
    runPython(write, path, 'float32', 'COMPRESS=LERC', 'ENDIANNESS=BIG');
    await expect(withRaster(path, (raster) => raster.read())).rejects.toThrow(
      /big.tif; LERC of floats in big-endian order, write it with gdal_translate/,
    );
  });

  test('a damaged block is named, whatever its bytes claim', async () => {
    const path = join(folder, 'damaged.tif');
    runPython(write, path, 'uint16', 'COMPRESS=LERC', 'TILED=YES', 'BLOCKXSIZE=32', 'BLOCKYSIZE=32');
    const bytes = readFileSync(path);
    const at = bytes.indexOf('Lerc2 ');
    for (const [from, value] of [
      [at, 0x55],
      [at + 14, 0x7f],
      [at + 18, 0x7f],
    ]) {
      writeFileSync(path, Buffer.from(bytes).fill(value, from, from + 4));
      await expect(withRaster(path, (raster) => raster.read())).rejects.toThrow(
        /damaged.tif; damaged: tile \d+ of 9 \(/,
      );
    }
  });
});
