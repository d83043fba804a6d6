import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/layout.js';
import { readPatch } from '../../src/dataset/read-patch.js';
import { withRaster } from '../../src/raster/read.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import { readSceneList } from '../../src/scenes/scene-list.js';
import type { SceneRequest } from '../../src/scenes/scene-request.js';
import { loadAligner } from '../../src/training/load-weights.js';
import { dataOf, faultsOf } from '../dataset/dataset-on-disk.js';
import { withRangesOf } from './serve-ranges.js';

// rasters that other programs wrote, each with the right answer; README of each says which public report it follows
const cases = join(import.meta.dirname, '../fixtures/raster-cases');
const weights = join(cases, 'model/linear.safetensors');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
  cpSync(cases, folder, { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

const apply = async (name: string, request: Partial<SceneRequest> = {}) => {
  const [file] = readdirSync(join(folder, name)).filter((file) => /\.(tif|jp2|SAFE)$/.test(file));
  return applyScene(
    { inputs: [join(folder, name, file)], out: join(folder, name, 'out/a.tif'), ...request },
    { aligner: await loadAligner(weights, []), weights },
  );
};

/** Float32 of an `.npy` file. */
const readNpy = (path: string): Float32Array | Float64Array => {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  const values = bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length);
  return bytes.subarray(10, start).includes("'<f8'") ? new Float64Array(values) : new Float32Array(values);
};

const expectOutput = async (name: string, out: string): Promise<void> => {
  const wanted = readNpy(join(folder, name, 'expected.npy'));
  const { bands, nodata } = await withRaster(out, async (raster) => ({
    bands: await raster.read(),
    nodata: raster.nodata,
  }));
  const size = bands[0].length;
  bands.forEach((band, b) => {
    band.forEach((value, i) => {
      const right = wanted[b * size + i];
      if (Number.isNaN(right) ? !Object.is(value, nodata ?? Number.NaN) : !(Math.abs(value - right) <= 0.501))
        expect.fail(`${name} band ${b + 1} pixel ${i}: ${value}, not ${right}`);
    });
  });
};

describe('scenes', () => {
  test.each([
    ['float-infinity', { boaOffset: 0 }],
    ['force-scale-domain', { boaOffset: 0 }],
    ['nodata-list-string', { boaOffset: 0 }],
    ['pam-crs', { boaOffset: 0 }],
    ['stac-no-pcs-key', { boaOffset: 0 }],
    ['tag-scale1-offset-1000', {}],
    ['names-b8a-rgbn', { boaOffset: 0, bands: [3, 2, 1, 4] }],
  ])('%s gives what NumPy gives', async (name, request) => {
    const { out } = await apply(name, request);
    await expectOutput(name, out);
  });

  test.each([
    ['float01-outlier', /^scale: .* give --scale 1/],
    ['jp2-4-components', /4 components in one JPEG 2000 are not read, .*gdal_translate/],
    ['names-b8a-rgbn', /calls its bands B04, B03, B02, B8A, no band is nir; .* --bands 3,2,1,\?/],
    ['l1c-old', /Level-1C is top-of-atmosphere/],
    ['safe-missing-b08', /^band nir: B08 is missing in/],
  ])('%s is refused in one line, with nothing written', async (name, line) => {
    const faults = await faultsOf(() =>
      apply(name, { boaOffset: name === 'safe-missing-b08' ? undefined : 0 }),
    );
    expect(faults).toEqual([expect.stringMatching(line)]);
    expect(existsSync(join(folder, name, 'out/a.tif'))).toBe(name === 'names-b8a-rgbn');
  });

  test('the CRS beside a file reaches the product and its item; one without meaning gives no geometry', async () => {
    const items = ['pam-crs', 'stac-no-pcs-key'].map(
      (name) =>
        JSON.parse(readFileSync(join(folder, name, 'out/a.json'), 'utf8')) as {
          geometry: { type: string } | null;
          bbox?: number[];
          properties: Record<string, unknown>;
        },
    );
    const colours = await withRaster(join(folder, 'pam-crs/out/a.tif'), async (raster) => raster.colours);
    expect(colours).toEqual(['blue', 'green', 'red', 'undefined']);
    expect(items[0].properties['proj:code']).toBe('EPSG:32650');
    expect(items[0].geometry?.type).toBe('Polygon');
    expect(items[1].properties['proj:code']).toBeNull();
    expect(items[1].geometry).toBeNull();
    expect(items[1]).not.toHaveProperty('bbox');
  });

  test('signed addresses, with a slash in the signature and without an ending that tells the format', async () => {
    const at = join(folder, 'signed-url');
    await withRangesOf(at, async (host) => {
      for (const query of ['tif?sv=2021&sig=yDpPxIeW6E/tdpz98/zsNlcf0hQs%3D', 'jp2?X-Amz-Signature=abc']) {
        const inputs = ['B02', 'B03', 'B04', 'B08'].map((band) => `${host}/${band}.${query}`);
        const { out } = await apply('signed-url', { inputs, boaOffset: 0 });
        await expectOutput('signed-url', out);
      }
    });
  });

  test('a list that PowerShell wrote', async () => {
    const at = join(folder, 'list-utf16');
    const requests = await readSceneList(join(at, 'list.txt'), at, {});
    expect(requests.map(({ inputs }) => inputs)).toEqual([[join(at, 'a.tif')]]);
  });
});

describe('training pairs', () => {
  const lines = [
    [0.9, 50],
    [0.8, 100],
    [1.1, -20],
    [0.7, 300],
  ];

  test.each([
    ['train-float-nodata-tag', 1472, {}],
    ['train-internal-mask', 1472, {}],
    ['train-mask-nodata-255', 1472, { mask: 'm.tif' }],
    ['train-scale-offset-tags', 2048, {}],
  ])('%s: the target is the line of every valid source pixel', async (name, tested, more) => {
    const pair = { source: 's.tif', target: 't.tif', patch: [16, 16] as [number, number], ...more };
    const { lists } = await openDataset(join(folder, name), dataOf({ pair }));
    let valid = 0;
    for (const patch of lists.test) {
      const { source, target, mask } = await readPatch(patch, ['blue', 'green', 'red', 'nir']);
      for (let i = 0; i < source.length; i++) {
        if (mask[i % mask.length] === 0) continue;
        const [slope, intercept] = lines[Math.floor(i / mask.length)];
        expect(Math.abs(target[i] - slope * source[i] - intercept)).toBeLessThanOrEqual(0.501);
        if (i < mask.length) valid++;
      }
    }
    expect(valid).toBe(tested);
  });
});
