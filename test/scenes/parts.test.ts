import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withRaster } from '../../src/raster/read.js';
import { type GeoTiffImage, writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import type { SceneRequest } from '../../src/scenes/scene-request.js';
import { gdalInfo, gdalMissing, runPython } from '../gdal.js';
import { handMadeAligner } from './hand-made-aligner.js';

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
const [width, height] = [700, 610];
/** Waves, and a slanted border of nodata. */
const bands = [0, 1, 2, 3].map((band) =>
  Uint16Array.from({ length: width * height }, (_, i) => {
    const [x, y] = [i % width, Math.floor(i / width)];
    return x < y / 6
      ? 0
      : 900 + 300 * band + Math.round(400 * Math.sin(x / 9) * Math.cos(y / 7)) + ((x * y) % 37);
  }),
);

const write = async (name: string, over: Partial<GeoTiffImage> = {}): Promise<string> => {
  const path = join(folder, name);
  await writeGeoTiff(path, { width, height, bands, georeference: utm, nodata: 0, tile: 64, ...over });
  return path;
};

let count = 0;
const apply = (request: Partial<SceneRequest> & { inputs: string[] }) =>
  applyScene(
    { out: join(folder, `out-${++count}`, 'a.tif'), boaOffset: 0, ...request },
    { aligner: handMadeAligner({ withConv: true }), weights: 'w' },
  );

const read = (path: string) =>
  withRaster(path, async (raster) => ({
    pixels: (await raster.read()).map((band) => Array.from(band)),
    transform: raster.georeference?.transform,
  }));

describe('a part of a scene', () => {
  const [x, y, columns, rows] = [130, 70, 333, 290] as const;
  const cropped = (band: Uint16Array): Uint16Array =>
    Uint16Array.from(
      { length: columns * rows },
      (_, i) => band[(y + Math.floor(i / columns)) * width + x + (i % columns)],
    );
  const transform = [199980 + 10 * x, 10, 0, 3200040 - 10 * y, 0, -10] as const;

  test('is aligned as if the file held nothing else, by pixels and by coordinates', async () => {
    const scene = await write('scene.tif');
    const part = await write('part.tif', {
      width: columns,
      height: rows,
      bands: bands.map(cropped),
      georeference: { ...utm, transform },
    });
    const wanted = await read((await apply({ inputs: [part] })).out);
    const byPixels = await apply({ inputs: [scene], window: [x, y, columns, rows] });
    expect(await read(byPixels.out)).toEqual(wanted);
    expect(wanted.transform).toEqual(transform);
    // a box inside the outermost pixels takes them whole
    const [left, top] = [transform[0] + 3, transform[3] - 4];
    const box = [left, top - 10 * (rows - 1), left + 10 * (columns - 1), top] as const;
    expect(await read((await apply({ inputs: [scene], bbox: box })).out)).toEqual(wanted);
    const item = JSON.parse(readFileSync(byPixels.item, 'utf8')) as { properties: Record<string, unknown> };
    expect(item.properties['proj:shape']).toEqual([rows, columns]);
  });

  test.each([
    [
      { window: [0, 0, 701, 5] },
      'window: 0,0,701,5; reaches beyond the scene, the scene has 700 × 610 pixels',
    ],
    [{ window: [0, 0, 1.5, 5] }, 'window: 0,0,1.5,5; four integers'],
    [{ bbox: [0, 0, 10, 10] }, 'bbox: 0,0,10,10; lies outside the scene, which reaches from 199980, 3200040'],
    [{ bbox: [5, 0, 1, 10] }, 'bbox: 5,0,1,10; left, bottom, right, top'],
    [{ bbox: [0, 0, 1, 1], window: [0, 0, 1, 1] }, 'window: given with a bbox; give one of them'],
  ] as const)('%j is refused', async (request, message) => {
    const inputs = [await write('scene.tif')];
    await expect(apply({ ...(request as Partial<SceneRequest>), inputs })).rejects.toThrow(message);
  });
});

describe('on another grid', () => {
  const like = { width: 411, height: 350, transform: [200180, 16, 0, 3199640, 0, -16] as const };
  const grid = (): Promise<string> =>
    write('like.tif', {
      width: like.width,
      height: like.height,
      bands: [new Uint8Array(like.width * like.height)],
      georeference: { ...utm, transform: like.transform },
    });

  test('10 m become means by area on 16 m, nodata left out', async () => {
    // both grids are multiples of 2 m: a pixel of 16 m is 64 of them
    const mean = (band: Uint16Array): Uint16Array =>
      Uint16Array.from({ length: like.width * like.height }, (_, i) => {
        const [column, row] = [i % like.width, Math.floor(i / like.width)];
        let [sum, n] = [0, 0];
        for (let k = 0; k < 64; k++) {
          const x = Math.floor((100 + 8 * column + (k % 8)) / 5);
          const y = Math.floor((200 + 8 * row + Math.floor(k / 8)) / 5);
          const value = x < width && y < height ? band[y * width + x] : 0;
          if (value > 0) [sum, n] = [sum + value, n + 1];
        }
        const [middleX, middleY] = [(104 + 8 * column) / 5, (204 + 8 * row) / 5];
        return n === 0 || middleX >= width || middleY >= height ? 0 : Math.floor(sum / n + 0.5);
      });
    const means = await write('means.tif', {
      ...like,
      bands: bands.map(mean),
      georeference: { ...utm, transform: like.transform },
    });
    const { out } = await apply({ inputs: [await write('scene.tif')], grid: await grid() });
    expect(await read(out)).toEqual(await read((await apply({ inputs: [means] })).out));
  });

  test.skipIf(gdalMissing)(`in another zone it is close to gdalwarp -r average${gdalMissing}`, async () => {
    const scene = await write('scene.tif');
    const warped = join(folder, 'zone.tif');
    const code = `
import sys
from osgeo import gdal
gdal.UseExceptions()
gdal.Warp(sys.argv[2], sys.argv[1], dstSRS='EPSG:32628', xRes=16, yRes=16, resampleAlg='average', srcNodata=0, dstNodata=0)`;
    runPython(code, scene, warped);
    const [ours, theirs] = [
      await read((await apply({ inputs: [scene], grid: warped })).out),
      await read((await apply({ inputs: [warped] })).out),
    ];
    expect(ours.transform).toEqual(theirs.transform);
    let [both, far, sum] = [0, 0, 0];
    ours.pixels[0].forEach((value, i) => {
      const other = theirs.pixels[0][i];
      if (value === 0 || other === 0) return;
      both++;
      sum += value - other;
      if (Math.abs(value - other) > 40) far++;
    });
    expect(both).toBeGreaterThan(0.95 * theirs.pixels[0].filter((value) => value > 0).length);
    expect(Math.abs(sum / both)).toBeLessThan(0.5);
    expect(far / both).toBeLessThan(0.02);
  });

  test('a grid that lies elsewhere is refused', async () => {
    const far = await write('far.tif', { georeference: { ...utm, transform: [0, 10, 0, 0, 0, -10] } });
    await expect(apply({ inputs: [await write('scene.tif')], grid: far })).rejects.toThrow(
      /^grid: .*scene.tif; lies wholly outside the grid/,
    );
  });
});

test.skipIf(gdalMissing)(
  `bands are coloured, so that viewers show true colour, and a picture stands beside${gdalMissing}`,
  async () => {
    const { out, item } = await apply({ inputs: [await write('scene.tif')], quicklook: true });
    const colours = gdalInfo(out).bands as unknown as { colorInterpretation: string }[];
    expect(colours.map(({ colorInterpretation }) => colorInterpretation)).toEqual([
      'Blue',
      'Green',
      'Red',
      'Undefined',
    ]);
    const picture = out.replace('.tif', '.quicklook.png');
    const code = `
import sys, numpy
from osgeo import gdal
a = gdal.Open(sys.argv[1]).ReadAsArray()
print(a.shape, int(a[3, -1, 0]), int(a[3, 0, -1]), int(a[:3].max()))`;
    expect(runPython(code, picture).trim()).toBe('(4, 305, 350) 0 255 255');
    const { assets } = JSON.parse(readFileSync(item, 'utf8')) as { assets: Record<string, object> };
    expect(assets['thumbnail']).toMatchObject({ href: './a.quicklook.png', roles: ['thumbnail'] });
    await expect(
      apply({ inputs: [await write('scene.tif')], quicklook: true, overviews: false }),
    ).rejects.toThrow('quicklook: it is made of the overviews');
  },
);
