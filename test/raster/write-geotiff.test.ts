import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { fromArrayBuffer } from 'geotiff';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Georeference } from '../../src/raster/georeference.js';
import type { BandArray } from '../../src/raster/predictor.js';
import { encodeGeoTiff, type GeoTiffImage, writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { gdalInfo, gdalMissing } from '../gdal.js';

/** UTM 29 N, 100 m. */
const utm: Georeference = {
  transform: [199980, 100, 0, 3200040, 0, -100],
  epsg: 32629,
  pixelIsArea: true,
  geoKeys: {
    directory: [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32629],
    doubles: [],
    ascii: '',
  },
};

const decode = async (bytes: Uint8Array) => {
  const file = await fromArrayBuffer(bytes.buffer as ArrayBuffer);
  const image = await file.getImage();
  return { image, bands: (await image.readRasters()) as unknown as BandArray[] };
};

const types = [Uint8Array, Uint16Array, Int16Array, Float32Array] as const;

describe('encodeGeoTiff', () => {
  test('gives back every sample, whatever the type, layout and compression', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 70 }),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(...types),
        fc.constantFrom(null, 16, 32),
        fc.constantFrom('deflate' as const, 'none' as const),
        fc.boolean(),
        fc.infiniteStream(fc.integer({ min: -32768, max: 32767 })),
        async (width, height, count, Type, tile, compression, predictor, stream) => {
          const bands = Array.from({ length: count }, () => {
            const band = new Type(width * height);
            for (let i = 0; i < band.length; i++)
              band[i] = stream.next().value * (Type === Float32Array ? 0.37 : 1);
            return band;
          });
          const { bands: read } = await decode(
            await encodeGeoTiff({ width, height, bands, tile, compression, predictor }),
          );
          expect(read.slice(0, count)).toEqual(bands);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('refuses bands that disagree, all faults at once', async () => {
    const image = { width: 4, height: 4, bands: [new Uint16Array(16), new Uint8Array(9)], tile: 20 };
    await expect(encodeGeoTiff(image)).rejects.toMatchObject({
      faults: [
        'raster band 2: 9 samples; 16 are needed',
        'raster band 2: uint8; uint16 like the first',
        'tile: 20; a positive multiple of 16',
      ],
    });
  });
});

describe.skipIf(gdalMissing)(`as GDAL reads it${gdalMissing}`, () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const image = (over: Partial<GeoTiffImage> = {}): GeoTiffImage => {
    const band = (k: number) => Uint16Array.from({ length: 300 * 200 }, (_, i) => (i * k) % 10_007);
    return {
      width: 300,
      height: 200,
      bands: [band(3), band(5)],
      georeference: utm,
      nodata: 0,
      bandNames: ['blue', 'r & <g>'],
      bandScales: [{ scale: 0.0001, offset: -0.1 }, {}],
      metadata: { PROCESSING_BASELINE: '05.10' },
      ...over,
    };
  };

  test.each([null, 64])('place, names, nodata, scale and checksums, tile %s', async (tile) => {
    const path = join(folder, `a-${tile}.tif`);
    await writeGeoTiff(path, image({ tile }));
    const info = gdalInfo(path);
    expect(info.geoTransform).toEqual([199980, 100, 0, 3200040, 0, -100]);
    expect(info.coordinateSystem.wkt).toContain('ID["EPSG",32629]');
    expect(info.metadata[''].PROCESSING_BASELINE).toBe('05.10');
    expect(info.metadata.IMAGE_STRUCTURE).toMatchObject({ COMPRESSION: 'DEFLATE', INTERLEAVE: 'PIXEL' });
    expect(info.bands.map((band) => band.description)).toEqual(['blue', 'r & <g>']);
    expect(info.bands.map((band) => band.noDataValue)).toEqual([0, 0]);
    expect(info.bands[0]).toMatchObject({ type: 'UInt16', scale: 0.0001, offset: -0.1 });
    const plain = join(folder, 'plain.tif');
    execFileSync('gdal_translate', ['-q', '-co', 'COMPRESS=NONE', path, plain]);
    expect(gdalInfo(plain).bands.map((band) => band.checksum)).toEqual(
      info.bands.map((band) => band.checksum),
    );
  });

  test.each([
    ['rotated', { ...utm, transform: [199980, 80, 60, 3200040, 60, -80] as const }],
    [
      'points',
      {
        ...utm,
        pixelIsArea: false,
        geoKeys: {
          ...utm.geoKeys!,
          directory: utm.geoKeys!.directory.map((value, at) => (at === 11 ? 2 : value)),
        },
      },
    ],
  ])('a grid that is %s', async (name, georeference) => {
    const path = join(folder, `${name}.tif`);
    await writeGeoTiff(path, image({ georeference }));
    expect(gdalInfo(path).geoTransform).toEqual(georeference.transform);
  });

  test('leaves no temporary file', async () => {
    await writeGeoTiff(join(folder, 'only', 'one.tif'), image());
    expect(readdirSync(join(folder, 'only'))).toEqual(['one.tif']);
  });
});
