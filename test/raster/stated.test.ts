import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bandsNamed } from '../../src/raster/band-names.js';
import { bandsOf } from '../../src/raster/bands-of.js';
import { addressOf } from '../../src/raster/byte-source.js';
import { crsOfText } from '../../src/raster/crs.js';
import { gdalNumber, readGdalMetadata } from '../../src/raster/gdal-metadata.js';
import { projectedGeoreference } from '../../src/raster/georeference.js';
import { withRaster } from '../../src/raster/read.js';
import { statedByTags } from '../../src/raster/reflectance-units.js';
import { type GeoTiffImage, writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { faultsOf } from '../dataset/dataset-on-disk.js';
import { gdalMissing, runPython } from '../gdal.js';

const names = ['blue', 'green', 'red', 'nir'];

let folder: string;
let made = 0;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const [width, height] = [6, 5];
const put = async (over: Partial<GeoTiffImage> = {}): Promise<string> => {
  const path = join(folder, `${made++}.tif`);
  const bands = [1, 2, 3, 4].map((value) => new Uint16Array(width * height).fill(value));
  await writeGeoTiff(path, { width, height, bands, ...over });
  return path;
};

describe('numbers and metadata are taken as GDAL takes them', () => {
  // what GDAL 3.6 makes of the nodata tag
  test.each([
    ['0 0 0 0', 0],
    ['1 2 3 4', 1],
    ['-9999.', -9999],
    ['1e3', 1000],
    ['1,5', 1.5],
    ['0x10', 16],
    ['  5', 5],
    ['+7', 7],
    ['n/a', 0],
    ['nan', Number.NaN],
    ['-nan', Number.NaN],
    ['1.#QNAN', Number.NaN],
    ['inf', Number.POSITIVE_INFINITY],
    ['-1.#INF', Number.NEGATIVE_INFINITY],
    ['', null],
    ['3\0', 3],
  ])('nodata "%s" is %s', (text, value) => {
    expect(gdalNumber(text)).toBe(value);
  });

  test('a scale is what has the role of one', async () => {
    const item = (attributes: string, value: string): string => `<Item ${attributes}>${value}</Item>`;
    const read = async (text: string) =>
      (await readGdalMetadata(`<GDALMetadata>${text}</GDALMetadata>`, 2)).bands[0];
    expect((await read(item('name="SCALE" sample="0" role="scale"', '0.5'))).scale).toBe(0.5);
    expect((await read(item('name="foo" sample="0" role="Scale"', '0,0001'))).scale).toBe(0.0001);
    expect((await read(item('name="SCALE" sample="0"', '0.5'))).scale).toBeNull();
    expect((await read(item('name="Scale" sample="0" domain="FORCE"', '10000.000'))).scale).toBeNull();
    expect((await read(item('name="SCALE" role="scale"', '0.5'))).scale).toBeNull();
    expect((await read(item('name="COLORINTERP" sample="0" role="colorinterp"', 'Red'))).colour).toBe('red');
    expect((await read(item('name="DESCRIPTION" sample="0" role="description"', 'a &amp;lt; b'))).name).toBe(
      'a < b',
    );
  });

  test('units of scale and offset', () => {
    expect(statedByTags(1, 0)).toBeNull();
    expect(statedByTags(0.0001, -0.1)).toMatchObject({ boaOffset: -1000, scale: 10_000 });
    expect(statedByTags(0.0000275, -0.2)).toMatchObject({ boaOffset: -7272.727273, scale: 36363.636364 });
    // digital numbers: reflectance × 10 000 = stored − 1000
    expect(statedByTags(1, -1000)).toMatchObject({ boaOffset: -1000, scale: 10_000 });
  });

  test('a CRS by the code at the end of its text', () => {
    expect(crsOfText('EPSG:32650')?.epsg).toBe(32650);
    expect(
      crsOfText('PROJCS["x",GEOGCS["y",AUTHORITY["EPSG","4326"]],AUTHORITY["EPSG","32736"]]')?.epsg,
    ).toBe(32736);
    expect(crsOfText('GEOGCRS["WGS 84",DATUM["a"],ID["EPSG",4326]]')).toMatchObject({
      epsg: 4326,
      geoKeys: { directory: expect.arrayContaining([2048]) },
    });
    // the base's code is not that of the projection
    expect(crsOfText('PROJCS["mine",GEOGCS["y",AUTHORITY["EPSG","4326"]],UNIT["metre",1]]')).toBeNull();
    expect(crsOfText('PROJCS["WGS_1984_UTM_Zone_33S",GEOGCS["y"]]')?.epsg).toBe(32733);
    expect(crsOfText('LOCAL_CS["x"]')).toBeNull();
  });

  test('addresses', () => {
    expect(addressOf('/data/a.tif')).toBeNull();
    expect(addressOf('/vsicurl/https://a.b/c.tif?x=1')).toBe('https://a.b/c.tif?x=1');
    expect(addressOf('s3://bucket/a/b.tif')).toBe('https://bucket.s3.amazonaws.com/a/b.tif');
    expect(addressOf('gs://bucket/b.tif')).toBe('https://storage.googleapis.com/bucket/b.tif');
  });
});

describe('files beside a raster', () => {
  const aux = (inside: string): string => `<PAMDataset>${inside}</PAMDataset>`;

  test('.aux.xml: nodata, units, names, colours and place; the file’s own units go before', async () => {
    const path = await put();
    const band = (more: string): string => `<PAMRasterBand band="2">${more}</PAMRasterBand>`;
    writeFileSync(
      `${path}.aux.xml`,
      aux(
        `<SRS>EPSG:32650</SRS><GeoTransform> 300000, 10, 0, 5700000, 0, -10</GeoTransform>${band('<NoDataValue>7</NoDataValue><Scale>0.0001</Scale><Offset>-0.1</Offset><Description>green</Description><ColorInterp>Green</ColorInterp>')}`,
      ),
    );
    await withRaster(path, async (raster) => {
      expect(raster.bandNodata).toEqual([null, 7, null, null]);
      expect([raster.scale[1], raster.offset[1]]).toEqual([0.0001, -0.1]);
      expect([raster.bandNames[1], raster.colours[1]]).toEqual(['green', 'green']);
      expect(raster.georeference).toMatchObject({ epsg: 32650, transform: [300000, 10, 0, 5700000, 0, -10] });
    });
    const scaled = await put({
      bandScales: [{ scale: 0.5 }, { scale: 0.5 }, { scale: 0.5 }, { scale: 0.5 }],
    });
    copyFileSync(`${path}.aux.xml`, `${scaled}.aux.xml`);
    await withRaster(scaled, async ({ scale, offset }) => {
      expect([scale[1], offset[1]]).toEqual([0.5, 0]);
    });
  });

  test('a world file, in whatever spelling', async () => {
    for (const ending of ['tfw', 'tifw', 'wld', 'TFW']) {
      const path = await put();
      writeFileSync(path.replace(/tif$/, ending), '10\n0\n0\n-10\n300005\n5699995\n');
      await withRaster(path, async ({ georeference }) => {
        expect(georeference).toMatchObject({ epsg: null, transform: [300000, 10, 0, 5700000, 0, -10] });
      });
    }
  });

  test('.msk says what is valid', async () => {
    const path = await put();
    const valid = Uint8Array.from({ length: width * height }, (_, i) => (i % 3 === 0 ? 0 : 255));
    await writeGeoTiff(`${path}.msk`, { width, height, bands: [valid] });
    await withRaster(path, async (raster) => {
      expect(raster.ownMask).toBe('.msk file');
      expect(await raster.readOwnMask()).toEqual(valid.map((value) => (value === 0 ? 0 : 1)));
      expect(await raster.readOwnMask([1, 1, 2, 2])).toEqual(
        Uint8Array.of(1, 1, 1, 1).map((_, k) => (valid[7 + (k & 1) + 6 * (k >> 1)] ? 1 : 0)),
      );
    });
  });

  test.each([
    ['.aux.xml', '<PAMDataset><SRS>EPSG:', /\.aux\.xml; not XML \(it ends too early\)/],
    ['.aux.xml', '', /\.aux\.xml; not XML \(it is empty\)/],
    ['.aux.xml', '<VRTDataset></VRTDataset>', /\.aux\.xml; its root is not PAMDataset/],
    [
      '.aux.xml',
      '<!DOCTYPE a [<!ENTITY b "c">]><PAMDataset>&b;</PAMDataset>',
      /\.aux\.xml; not XML \(it declares entities/,
    ],
    ['.msk', 'no mask', /\.msk; not a TIFF/],
  ])('a bad %s is refused in one line', async (ending, text, line) => {
    const path = await put();
    writeFileSync(path + ending, text);
    expect(await faultsOf(() => withRaster(path, async () => {}))).toEqual([expect.stringMatching(line)]);
  });

  test('a mask of another size, a world file without six numbers, a scale of 0', async () => {
    const path = await put();
    await writeGeoTiff(`${path}.msk`, { width: 3, height, bands: [new Uint8Array(15)] });
    const other = await put();
    writeFileSync(other.replace(/tif$/, 'tfw'), '10 0 0');
    const zero = await put({ bandScales: names.map(() => ({ scale: 0 })) });
    const faults = await Promise.all(
      [path, other, zero].map((file) => faultsOf(() => withRaster(file, async () => {}))),
    );
    expect(faults).toEqual([
      [expect.stringMatching(/\.msk; 3 × 5 pixels, .* has 6 × 5/)],
      [expect.stringMatching(/\.tfw; not six numbers/)],
      [expect.stringMatching(/a scale of 0/)],
    ]);
  });

  test('other formats are told by name', async () => {
    const cases: [string, RegExp][] = [
      ['<VRTDataset rasterXSize="2">', /a VRT, .*gdal_translate/],
      ['<!DOCTYPE html><html>sign in', /a web page/],
      ['PK\x03\x04zip', /a zip archive, unpack it/],
      ['version https://git-lfs.github.com/spec/v1', /Git LFS pointer/],
    ];
    for (const [text, line] of cases) {
      const path = join(folder, `${made++}.tif`);
      writeFileSync(path, text);
      expect(await faultsOf(() => withRaster(path, async () => {}))).toEqual([expect.stringMatching(line)]);
    }
  });
});

describe('bands by their names', () => {
  test.each([
    [['B02', 'B03', 'B04', 'B08'], [], names],
    [['B2', 'B3', 'B4', 'B8A'], [], ['blue', 'green', 'red', 'nir08']],
    // Landsat's B8 is panchromatic
    [['B2', 'B3', 'B4', 'B5', 'B8'], ['LC08_L2SP_139045_20200219_02_T1'], [...names, 'pan']],
    [['OLI B2', 'OLI B3', 'OLI B4', 'OLI B5'], [], names],
    [['SR_B1', 'SR_B2', 'SR_B3', 'SR_B4'], ['LE07_L2SP_139045'], names],
    [['B02', 'B05'], ['HLS.L30.T50UKC.2020050T023456.v2.0'], ['blue', 'nir']],
    [['B08', 'B8A'], ['HLS.S30.T50UKC.2020050T023456.v2.0'], ['nir', 'nir08']],
    [['BLUE', 'GREEN', 'RED', 'BROADNIR', 'NIR'], [], [...names, 'nir08']],
    [
      ['coastal_blue', 'blue', 'green_i', 'green', 'yellow', 'red', 'rededge', 'nir'],
      [],
      ['coastal', 'blue', 'green1', 'green', 'yellow', 'red', 'rededge', 'nir'],
    ],
    [['B1', 'B2', 'B3', 'B4'], ['GF1_WFV1_E117.0_N51.4_20200219_L1A0004629310'], names],
    [['B2 (blue)', 'Near Infrared', 'Red Edge 1', 'Band 4', ''], [], ['blue', 'nir', 'rededge1', null, null]],
    [['constructor', '__proto__', 'toString'], [], [null, null, null]],
  ])('%j of %j', (texts, context, wanted) => {
    expect(bandsNamed(texts, names, context)).toEqual(wanted);
  });

  const choose = async (over: Partial<GeoTiffImage>) =>
    withRaster(await put(over), async (raster) => bandsOf(raster, names, '--bands '));

  test('in any order; as they are without names; a question where some are named', async () => {
    expect(await choose({ bandNames: ['nir', 'red', 'green', 'blue'] })).toEqual([4, 3, 2, 1]);
    expect(await choose({})).toEqual([1, 2, 3, 4]);
    expect(await choose({ bandNames: ['Band 1', 'Band 2', 'Band 3', 'Band 4'] })).toEqual([1, 2, 3, 4]);
    expect(await choose({ bandNames: ['B02', 'B03', 'B04', ''] })).toMatch(
      /no band is nir; .*--bands 1,2,3,\?/,
    );
    expect(await choose({ bandNames: ['blue', 'blue', 'red', 'nir'] })).toMatch(/no band is green/);
    expect(await choose({ bandNames: ['B05', 'B06', 'B07', 'B11'] })).toMatch(/no band is blue or green/);
  });

  test.skipIf(gdalMissing)(`by colour, unless names contradict it${gdalMissing}`, async () => {
    const code = `
import sys
from osgeo import gdal
gdal.UseExceptions()
path, names = sys.argv[1], sys.argv[2:]
ds = gdal.GetDriverByName('GTiff').Create(path, 4, 4, 4, gdal.GDT_UInt16, ['PHOTOMETRIC=RGB'])
for i, name in enumerate(names): ds.GetRasterBand(i + 1).SetDescription(name)
`;
    const rgb = join(folder, 'rgb.tif');
    runPython(code, rgb);
    expect(await withRaster(rgb, async (raster) => bandsOf(raster, names, ''))).toEqual([3, 2, 1, 4]);
    const contradicted = join(folder, 'contradicted.tif');
    runPython(code, contradicted, 'blue', 'green', 'red', 'nir');
    expect(await withRaster(contradicted, async (raster) => bandsOf(raster, names, ''))).toMatch(
      /calls band 1 blue and colours it red; say which they are: 1,2,3,4/,
    );
  });
});

test.skipIf(gdalMissing)(`ground control points and RPC are named as lost${gdalMissing}`, async () => {
  const path = join(folder, 'lost.tif');
  runPython(
    `
import sys
from osgeo import gdal
gdal.UseExceptions()
ds = gdal.GetDriverByName('GTiff').Create(sys.argv[1], 4, 4, 1, gdal.GDT_UInt16)
ds.SetGCPs([gdal.GCP(100 + x, 50 - y, 0, x, y) for x in (0, 4) for y in (0, 4)], '')
`,
    path,
  );
  await withRaster(path, async ({ georeference, unheeded }) => {
    expect(georeference).toBeNull();
    expect(unheeded).toEqual([expect.stringMatching(/ground control points, which are not used.*gdalwarp/)]);
  });
  const l1a = await put();
  writeFileSync(l1a.replace(/\.tif$/, '.rpb'), 'satId = "GF1"');
  await withRaster(l1a, async ({ unheeded }) => {
    expect(unheeded).toEqual([expect.stringMatching(/RPC.*not orthorectified/)]);
  });
});

test('a place that the file itself states goes before a world file', async () => {
  const path = await put({ georeference: projectedGeoreference(32631, 500_000, 5_000_000, 16) });
  writeFileSync(path.replace(/tif$/, 'tfw'), '1\n0\n0\n-1\n0\n0\n');
  await withRaster(path, async ({ georeference }) => expect(georeference?.transform[0]).toBe(500_000));
});
