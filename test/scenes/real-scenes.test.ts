import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RasterReadOptions } from '../../src/raster/raster.js';
import { withRaster } from '../../src/raster/read.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import type { SceneRequest } from '../../src/scenes/scene-request.js';
import { gdalInfo, gdalMissing, runPython } from '../gdal.js';
import { handMadeAligner } from './hand-made-aligner.js';
import { alignedInMemory } from './reference.js';

const scenes = join(import.meta.dirname, '../../../shared/data/scenes');
const missing = existsSync(scenes) ? gdalMissing : ' (skipped: ../shared/data/scenes is not here)';

type Samples = ArrayLike<number>;

const readBands = (path: string, options?: RasterReadOptions) =>
  withRaster(path, (raster) => raster.read(options));

/** Bit equality of bands, without a matcher that would print millions of samples. */
const sameBands = (a: readonly Samples[], b: readonly Samples[]): boolean =>
  a.length === b.length &&
  a.every((band, k) => {
    if (band.length !== b[k].length) return false;
    for (let i = 0; i < band.length; i++) if (!Object.is(band[i], b[k][i])) return false;
    return true;
  });

const validate = `
import sys
from osgeo import gdal
from osgeo_utils.samples.validate_cloud_optimized_geotiff import validate
gdal.UseExceptions()
warnings, errors, details = validate(sys.argv[1], full_check=True)
print(warnings + errors)
`;

describe.skipIf(missing)(`real scenes${missing}`, () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const s2 = join(scenes, 'S2A_29RKH_20200219_L2A');
  const perBand = ['B08', 'B02', 'B04', 'B03'].map((band) => join(s2, `${band}.tif`));

  const apply = (name: string, request: Partial<SceneRequest> & { inputs: string[] }, withConv = true) =>
    applyScene(
      { out: join(folder, `${name}.tif`), boaOffset: 0, ...request },
      { aligner: handMadeAligner({ withConv }), weights: 'w.safetensors' },
    );

  const expectSameGrid = (out: string, input: string): void => {
    const [a, b] = [gdalInfo(out), gdalInfo(input)];
    expect(a.geoTransform).toEqual(b.geoTransform);
    expect(a.size).toEqual(b.size);
    expect(a.coordinateSystem.wkt).toBe(b.coordinateSystem.wkt);
    expect(runPython(validate, out).trim()).toBe('[]');
  };

  test('four band files in any order, and the stacked COG, give the same pixels', async () => {
    const one = await apply('files', { inputs: perBand, scl: join(s2, 'SCL.tif') });
    const stack = await apply('stack', {
      inputs: [join(scenes, 'S2A_29RKH_20200219_L2A_BGRN.tif')],
      scl: join(s2, 'SCL.tif'),
    });
    const [a, b] = await Promise.all([one, stack].map(async ({ out }) => readBands(out)));
    expect(sameBands(a, b)).toBe(true);
    expectSameGrid(one.out, perBand[0]);
    expectSameGrid(stack.out, perBand[0]);
    expect(gdalInfo(one.out).bands.map(({ description, noDataValue }) => [description, noDataValue])).toEqual(
      ['blue', 'green', 'red', 'nir'].map((name) => [name, 0]),
    );
    // SCL in shared/data/scenes/README.md: clouds 967 + 837, cirrus 10 434, on a grid twice as coarse
    expect(one.quality.bands[0].masked * 1098 * 1098).toBeCloseTo(4 * (967 + 837 + 10_434), 3);
    expectSameGrid(join(folder, 'files.mask.tif'), perBand[0]);
    // a bright desert: its red often passes 4000
    expect(one.quality.bands[2].before.above).toBeGreaterThan(0.005);
  });

  test('pixels of the stacked scene equal the in-memory reference', async () => {
    const { out } = await apply('reference', {
      inputs: [join(scenes, 'S2A_29RKH_20200219_L2A_BGRN.tif')],
    });
    const bands = await readBands(join(scenes, 'S2A_29RKH_20200219_L2A_BGRN.tif'));
    const wanted = alignedInMemory({
      width: 1098,
      height: 1098,
      bands,
      nodata: 0,
      withConv: true,
      type: 'uint16',
    });
    const read = await readBands(out);
    expect(sameBands(read, wanted)).toBe(true);
  });

  test('the ten-band subset in British National Grid', async () => {
    const input = join(scenes, 'sen2_20210527_aber_subset.tif');
    const { out, item, warnings } = await apply('aber', {
      inputs: [input],
      bands: [1, 2, 3, 7],
      scale: 1000,
    });
    expectSameGrid(out, input);
    expect(warnings.filter((warning) => warning.startsWith('scale'))).toEqual([]);
    const { bbox, properties } = JSON.parse(readFileSync(item, 'utf8')) as {
      bbox: number[];
      properties: Record<string, unknown>;
    };
    expect(properties).toMatchObject({ 'proj:code': 'EPSG:27700', datetime: '2021-05-27T00:00:00Z' });
    const code = `
import sys
from osgeo import gdal
ds = gdal.Open(sys.argv[1])
import json
c = gdal.Info(ds, format='json')['wgs84Extent']['coordinates'][0]
print(json.dumps([min(p[0] for p in c), min(p[1] for p in c), max(p[0] for p in c), max(p[1] for p in c)]))`;
    const extent = JSON.parse(runPython(code, input)) as number[];
    bbox.forEach((value, k) => {
      // the datum shift by seven parameters is good to some metres
      expect(Math.abs(value - extent[k])).toBeLessThan(2e-4);
    });
    const read = await readBands(out);
    const bands = await readBands(input, { bands: [1, 2, 3, 7] });
    const wanted = alignedInMemory({
      width: 324,
      height: 339,
      bands,
      nodata: null,
      gain: 10,
      withConv: true,
      type: 'uint16',
    });
    expect(sameBands(read, wanted)).toBe(true);
  });

  test('the floating-point chip with nodata −9999, some pixels emptied', async () => {
    const input = join(folder, 'chip-input.tif');
    const code = `
import sys
from osgeo import gdal
ds = gdal.GetDriverByName('GTiff').CreateCopy(sys.argv[2], gdal.Open(sys.argv[1]))
for b in range(ds.RasterCount):
    a = ds.GetRasterBand(b + 1).ReadAsArray(); a[:40, :30 + b] = -9999; ds.GetRasterBand(b + 1).WriteArray(a)
ds = None`;
    runPython(code, join(scenes, 'segmentation_test_0_input.tif'), input);
    const { out } = await apply('chip', { inputs: [input], bands: [1, 2, 3, 4] });
    expectSameGrid(out, input);
    expect(gdalInfo(out).bands[0]).toMatchObject({ type: 'Float32', noDataValue: -9999 });
    const bands = await readBands(input, { bands: [1, 2, 3, 4] });
    const wanted = alignedInMemory({
      width: 224,
      height: 224,
      bands,
      nodata: -9999,
      withConv: true,
      type: 'float32',
    });
    expect(sameBands(await readBands(out), wanted)).toBe(true);
  });

  /** A product folder as ESA lays it out. */
  const product = (name: string, baseline: string, offsets: string, extension: 'tif' | 'jp2'): string => {
    const root = join(folder, name);
    const images = 'GRANULE/L2A_T29RKH_A024341_20200219T112119/IMG_DATA/R10m';
    mkdirSync(join(root, images), { recursive: true });
    const files = ['B02', 'B03', 'B04', 'B08'].map((band) => {
      const stem = `${images}/T29RKH_20200219T112119_${band}_10m`;
      const options =
        extension === 'jp2'
          ? [
              '-of',
              'JP2OpenJPEG',
              '-co',
              'QUALITY=100',
              '-co',
              'REVERSIBLE=YES',
              '-co',
              'BLOCKXSIZE=256',
              '-co',
              'BLOCKYSIZE=256',
            ]
          : ['-a_nodata', 'none'];
      execFileSync('gdal_translate', [
        '-q',
        ...options,
        '-srcwin',
        '0',
        '0',
        '300',
        '200',
        join(s2, `${band}.tif`),
        join(root, `${stem}.${extension}`),
      ]);
      return `<IMAGE_FILE>${stem}</IMAGE_FILE>`;
    });
    writeFileSync(
      join(root, 'MTD_MSIL2A.xml'),
      `<?xml version="1.0"?><n1:Level-2A_User_Product xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-2A.xsd"><n1:General_Info><Product_Info><PRODUCT_URI>${name}</PRODUCT_URI><PROCESSING_BASELINE>${baseline}</PROCESSING_BASELINE><Datatake><DATATAKE_SENSING_START>2020-02-19T11:21:19.024Z</DATATAKE_SENSING_START></Datatake><Product_Organisation><Granule_List><Granule>${files.join('')}</Granule></Granule_List></Product_Organisation></Product_Info><Product_Image_Characteristics><Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX></Special_Values><QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>${offsets}</Product_Image_Characteristics></n1:General_Info></n1:Level-2A_User_Product>`,
    );
    return root;
  };
  const minus = `<BOA_ADD_OFFSET_VALUES_LIST>${[1, 2, 3, 7].map((id) => `<BOA_ADD_OFFSET band_id="${id}">-1000</BOA_ADD_OFFSET>`).join('')}</BOA_ADD_OFFSET_VALUES_LIST>`;

  test.each(['tif', 'jp2'] as const)(
    'a SAFE-like folder of %s files: offset, scale, date and nodata by its metadata',
    async (extension) => {
      const root = product(`S2A_${extension}.SAFE`, '05.00', minus, extension);
      const { out, item } = await apply(`safe-${extension}`, { inputs: [root], boaOffset: undefined });
      const { properties } = JSON.parse(readFileSync(item, 'utf8')) as {
        properties: Record<string, unknown>;
      };
      expect(properties).toMatchObject({
        datetime: '2020-02-19T11:21:19.024Z',
        'bandalign:processing_baseline': '05.00',
        'bandalign:nodata': '0',
      });
      expect(properties['bandalign:bands']).toContainEqual(
        expect.objectContaining({ name: 'nir', boa_offset: -1000, scale: 10_000, origin: 'MTD_MSIL2A.xml' }),
      );
      const bands = await Promise.all(
        ['B02', 'B03', 'B04', 'B08'].map(
          async (band) => (await readBands(join(s2, `${band}.tif`), { window: [0, 0, 300, 200] }))[0],
        ),
      );
      const wanted = alignedInMemory({
        width: 300,
        height: 200,
        bands,
        nodata: 0,
        offset: -1000,
        withConv: true,
        type: 'uint16',
      });
      expect(sameBands(await readBands(out), wanted)).toBe(true);
      const placeOf = (path: string) => withRaster(path, async ({ georeference }) => georeference);
      const { transform } = (await placeOf(perBand[0]))!;
      expect(await placeOf(out)).toMatchObject({ epsg: 32629, transform });
    },
  );

  test('baselines: before 04.00 there is no offset, later it must be stated', async () => {
    const old = product('S2A_old.SAFE', '02.14', '', 'tif');
    const { quality } = await apply('old', { inputs: [old], boaOffset: undefined }, false);
    expect(quality.bands[0].before.min).toBeGreaterThan(400);
    const silent = product('S2A_silent.SAFE', '05.10', '', 'tif');
    await expect(apply('silent', { inputs: [silent], boaOffset: undefined })).rejects.toThrow(
      /boa offset: unknown/,
    );
    expect(existsSync(join(folder, 'silent.tif'))).toBe(false);
  });
});
