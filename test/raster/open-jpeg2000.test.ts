import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openRaster } from '../../src/raster/read.js';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { gdalMissing } from '../gdal.js';

const hasDriver =
  gdalMissing === '' && execFileSync('gdalinfo', ['--formats'], { encoding: 'utf8' }).includes('JP2OpenJPEG');
const missing = hasDriver ? '' : gdalMissing || ' (skipped: GDAL has no JP2OpenJPEG driver)';

describe.skipIf(missing)(`JPEG 2000 as GDAL writes it${missing}`, () => {
  let folder: string;
  const [width, height] = [300, 217];
  const band = Uint16Array.from({ length: width * height }, (_, i) => 100 + ((i * 37) % 9000));
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
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
    await writeGeoTiff(join(folder, 'a.tif'), { width, height, bands: [band], georeference: utm });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const convert = (name: string, ...options: string[]): string => {
    const path = join(folder, name);
    const args = ['-q', '-of', 'JP2OpenJPEG', '-co', 'QUALITY=100', '-co', 'REVERSIBLE=YES'];
    execFileSync('gdal_translate', [
      ...args,
      ...options.flatMap((option) => ['-co', option]),
      join(folder, 'a.tif'),
      path,
    ]);
    return path;
  };

  test.each([
    ['tiles of 64', ['BLOCKXSIZE=64', 'BLOCKYSIZE=64', 'RESOLUTIONS=3']],
    [
      'tiles of 128, five levels, precincts',
      [
        'BLOCKXSIZE=128',
        'BLOCKYSIZE=128',
        'RESOLUTIONS=6',
        'PRECINCTS={64,64},{32,32}',
        'PLT=YES',
        'TLM=YES',
      ],
    ],
    ['one tile', ['BLOCKXSIZE=1024', 'BLOCKYSIZE=1024', 'GMLJP2=NO']],
    ['GML alone', ['BLOCKXSIZE=128', 'BLOCKYSIZE=128', 'GeoJP2=NO']],
  ])('%s: pixels and place', async (name, options) => {
    const raster = await openRaster(convert(`${name}.jp2`, ...options));
    expect(raster).toMatchObject({ width, height, bands: 1, type: 'uint16' });
    expect(raster.georeference).toMatchObject({ transform: utm.transform, epsg: 32629 });
    expect((await raster.read())[0]).toEqual(band);
    const [part] = await raster.read({ window: [50, 60, 100, 90] });
    const wanted = Uint16Array.from(
      { length: 9000 },
      (_, i) => band[(60 + Math.floor(i / 100)) * width + 50 + (i % 100)],
    );
    expect(part).toEqual(wanted);
    await raster.close();
  });

  test('says what is wrong with a cut or broken file', async () => {
    const whole = readFileSync(convert('whole.jp2', 'BLOCKXSIZE=64', 'BLOCKYSIZE=64'));
    const cut = join(folder, 'cut.jp2');
    writeFileSync(cut, whole.subarray(0, whole.length * 0.7));
    await expect(openRaster(cut)).rejects.toThrow(/cut.jp2; cut short: tile/);
    writeFileSync(cut, 'not an image at all');
    await expect(openRaster(cut)).rejects.toThrow(/cut.jp2; not a TIFF or JPEG 2000/);
  });
});

test('a size of more tiles than can be counted is refused at once, not walked through', {
  timeout: 5000,
}, async () => {
  const path = new URL('../fixtures/raster/jpeg2000-tiles-beyond-count.jp2', import.meta.url).pathname;
  await expect(openRaster(path)).rejects.toThrow(/96 × 3372220512 pixels in 140509188 tiles/);
});
