import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bandsOf } from '../../src/raster/bands-of.js';
import { withRaster } from '../../src/raster/read.js';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import { handMadeAligner } from '../scenes/hand-made-aligner.js';

/** A Python with tifffile, rasterio, glymur and pystac: `test/services/rasters.sh install` prints its path. */
const python = process.env['BANDALIGN_TEST_RASTERS'];
const missing = python ? '' : ' (skipped: BANDALIGN_TEST_RASTERS names no Python; test/services/rasters.sh)';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (code: string, ...args: string[]): string =>
  execFileSync(python ?? '', ['-c', code, ...args], { encoding: 'utf8', cwd: folder });

const names = ['blue', 'green', 'red', 'nir'];
const [width, height] = [53, 41];

/** Four bands as every program here writes them: whole numbers that tell band, column and row apart. */
const data = `
import sys, numpy
a = numpy.stack([1000 * (b + 1) + numpy.add.outer(10 * numpy.arange(41), numpy.arange(53)) for b in range(4)])
`;
const value = (band: number, i: number): number =>
  1000 * (band + 1) + 10 * Math.floor(i / width) + (i % width);
const wanted = (bands = 4): number[][] =>
  Array.from({ length: bands }, (_, b) => Array.from({ length: width * height }, (_, i) => value(b, i)));
const read = (path: string): Promise<number[][]> =>
  withRaster(path, async (raster) => (await raster.read()).map((band) => Array.from(band)));

describe.skipIf(missing)(`rasters of other programs${missing}`, () => {
  test.each([
    ['uint16', "compression='deflate', predictor=True, tile=(16, 32), planarconfig='contig'"],
    ['uint16', "compression='lzw', rowsperstrip=7, planarconfig='contig', byteorder='>'"],
    ['int16', "compression='zstd', planarconfig='separate', bigtiff=True"],
    ['float32', "compression='deflate', predictor=True, planarconfig='contig'"],
    ['float64', "compression='packbits', planarconfig='separate', byteorder='>'"],
    ['uint16', "compression='lerc', tile=(32, 32), planarconfig='separate'"],
    ['uint32', "compression='none', planarconfig='contig'"],
  ])('tifffile: %s, %s', async (type, options) => {
    const path = join(folder, 'a.tif');
    run(
      `${data}
import tifffile
options = dict(${options})
a = a.astype('${type}')
if options['planarconfig'] == 'contig': a = numpy.moveaxis(a, 0, -1)
tifffile.imwrite(sys.argv[1], a, photometric='minisblack', **options)`,
      path,
    );
    expect(await read(path)).toEqual(wanted());
  });

  test('rasterio: scales, offsets, names, colours, nodata and place', async () => {
    const path = join(folder, 'b.tif');
    run(
      `${data}
import rasterio
from rasterio.enums import ColorInterp
with rasterio.open(sys.argv[1], 'w', driver='GTiff', width=53, height=41, count=4, dtype='uint16', nodata=7,
                   crs='EPSG:32631', transform=rasterio.transform.from_origin(500000, 4000000, 10, 10)) as d:
    d.write(a[::-1].astype('uint16') + 1000)
    d.descriptions = ('nir', 'red', 'green', 'blue')
    d.scales = (0.0001,) * 4
    d.offsets = (-0.1,) * 4
    d.colorinterp = [ColorInterp.undefined, ColorInterp.red, ColorInterp.green, ColorInterp.blue]
    d.update_tags(ACQUISITIONDATETIME='2021-05-06T10:11:12')`,
      path,
    );
    await withRaster(path, async (raster) => {
      expect(bandsOf(raster, names, '--bands ')).toEqual([4, 3, 2, 1]);
      expect(raster.scale).toEqual([0.0001, 0.0001, 0.0001, 0.0001]);
      expect(raster.offset).toEqual([-0.1, -0.1, -0.1, -0.1]);
      expect(raster.nodata).toBe(7);
      expect(raster.georeference).toMatchObject({ epsg: 32631, transform: [500000, 10, 0, 4000000, 0, -10] });
    });
    const scene = { inputs: [path], out: join(folder, 'rasterio', 'a.tif') };
    const { quality, item } = await applyScene(scene, { aligner: handMadeAligner(), weights: 'w' });
    // blue is the fourth: stored 2000 to 2452, 1000 off
    expect(quality.bands[0].before).toMatchObject({ min: 1000, max: 1452 });
    expect(JSON.parse(readFileSync(item, 'utf8'))).toMatchObject({
      properties: { datetime: '2021-05-06T10:11:12.000Z' },
    });
  });

  test.each([
    ['inside the file', 'YES', 'internal mask'],
    ['beside the file', 'NO', '.msk file'],
  ])('rasterio: a mask %s', async (_, inside, kind) => {
    const path = join(folder, `mask-${inside}.tif`);
    run(
      `${data}
import rasterio
with rasterio.Env(GDAL_TIFF_INTERNAL_MASK='${inside}'):
    with rasterio.open(sys.argv[1], 'w', driver='GTiff', width=53, height=41, count=4, dtype='uint16') as d:
        d.write(a.astype('uint16'))
        d.write_mask(numpy.arange(53 * 41).reshape(41, 53) % 3 != 0)`,
      path,
    );
    await withRaster(path, async (raster) => {
      expect(raster.ownMask).toBe(kind);
      expect(Array.from((await raster.readOwnMask()) ?? [])).toEqual(
        Array.from({ length: width * height }, (_, i) => +(i % 3 !== 0)),
      );
    });
  });

  test('rasterio: nodata that differs from NaN, and NaN', async () => {
    for (const nodata of ['nan', '-9999.9']) {
      const path = join(folder, 'n.tif');
      run(
        `${data}
import rasterio
with rasterio.open(sys.argv[1], 'w', driver='GTiff', width=53, height=41, count=1, dtype='float32', nodata=float(sys.argv[2])) as d:
    d.write(a[:1].astype('float32'))`,
        path,
        nodata,
      );
      await withRaster(path, async (raster) =>
        expect(raster.nodata === null ? null : Math.fround(raster.nodata)).toEqual(
          Math.fround(Number(nodata)),
        ),
      );
    }
  });

  test.each([
    [1, 'tilesize=(32, 32), numres=2'],
    [3, 'tilesize=(32, 16), numres=3, mct=False'],
    [3, 'mct=False'],
  ])('glymur: JPEG 2000 of %s components, %s', async (components, options) => {
    const path = join(folder, `${components}.jp2`);
    run(
      `${data}
import glymur
a = numpy.moveaxis(a[:${components}].astype('uint16'), 0, -1).squeeze()
glymur.Jp2k(sys.argv[1], data=a, ${options})`,
      path,
    );
    expect(await read(path)).toEqual(wanted(components));
  });

  test('glymur: four components are refused in a line', async () => {
    const path = join(folder, '4.jp2');
    run(
      `${data}
import glymur
glymur.Jp2k(sys.argv[1], data=numpy.moveaxis(a.astype('uint16'), 0, -1), mct=False)`,
      path,
    );
    await expect(read(path)).rejects.toThrow(
      /4.jp2; 4 components in one JPEG 2000 are not read, .*gdal_translate/,
    );
  });

  test.each([
    ['UTM', 32629, [199980, 10, 0, 3200040, 0, -10]],
    ['across 180°', 32660, [700000, 3000, 0, 2000000, 0, -3000]],
    ['the whole globe', 4326, [-180, 360 / 53, 0, 90, 0, -180 / 41]],
    ['the south pole', 3031, [-1000000, 40000, 0, 1000000, 0, -50000]],
    ['nowhere', null, null],
  ] as const)('pystac: the item of a scene, %s', async (_, epsg, transform) => {
    const path = join(folder, 'place.tif');
    const kind = epsg === 4326 ? 2 : 1;
    await writeGeoTiff(path, {
      width,
      height,
      bands: wanted().map((band) => Uint16Array.from(band)),
      georeference: transform && {
        transform,
        epsg,
        pixelIsArea: true,
        geoKeys: {
          directory: [1, 1, 0, 3, 1024, 0, 1, kind, 1025, 0, 1, 1, kind === 1 ? 3072 : 2048, 0, 1, epsg],
          doubles: [],
          ascii: '',
        },
      },
    });
    const scene = { inputs: [path], out: join(folder, 'stac', 'a.tif'), boaOffset: 0 };
    const { item } = await applyScene(scene, { aligner: handMadeAligner(), weights: 'w' });
    const document = JSON.parse(readFileSync(item, 'utf8')) as { bbox?: number[]; stac_extensions: string[] };
    if (transform) expect(document.bbox).toHaveLength(4);
    // the schemas of extensions are on the web, the core's come with pystac
    writeFileSync(item, JSON.stringify({ ...document, stac_extensions: [] }));
    const validate = `
import sys, json, pystac
from pystac.validation.local_validator import *
import pystac.validation
item = pystac.Item.from_file(sys.argv[1])
item.validate()
for point in (lambda f: f(f, item.geometry['coordinates']))(lambda f, c: [p for x in c for p in f(f, x)] if isinstance(c[0], list) else [c]) if item.geometry else []:
    assert -180 <= point[0] <= 180 and -90 <= point[1] <= 90, point
print(item.id)`;
    expect(run(validate, item).trim()).toBe('a');
  });
});
