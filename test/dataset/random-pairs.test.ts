import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDataset } from '../../src/dataset/layout.js';
import { readPatch } from '../../src/dataset/read-patch.js';
import { openRaster } from '../../src/raster/read.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import { loadAligner } from '../../src/training/load-weights.js';
import { gdalMissing, python } from '../gdal.js';
import { dataOf } from './dataset-on-disk.js';

const count = 300;
const [width, height] = [24, 16];
const names = ['blue', 'green', 'red', 'nir'];
const lines = [
  [0.9, 50],
  [0.8, 100],
  [1.1, -20],
  [0.7, 300],
];
const weights = join(import.meta.dirname, '../fixtures/raster-cases/model/linear.safetensors');

/** The float64 array of an `.npy` file. */
const readNpy = (path: string): Float64Array => {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  return new Float64Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
};

describe.skipIf(gdalMissing)(`${count} random pairs written by GDAL${gdalMissing}`, () => {
  let folder: string;
  let pairs: Record<string, unknown>[];
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'bandalign-'));
    const script = join(import.meta.dirname, '../raster/write-random-rasters.py');
    execFileSync(python, [script, folder, String(count), '7'], { stdio: 'ignore' });
    pairs = JSON.parse(readFileSync(join(folder, 'pairs.json'), 'utf8')) as typeof pairs;
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  /** Every `step`-th pair, four at a time: most of what a scene takes is waiting for the disk. */
  const each = async (
    step: number,
    work: (at: string, truth: Float64Array) => Promise<string[]>,
  ): Promise<string[]> => {
    const wrong: string[] = [];
    const queue = pairs.entries();
    const worker = async (): Promise<void> => {
      for (const [k, choices] of queue) if (k % step === 0) await check(k, choices);
    };
    const check = async (k: number, choices: Record<string, unknown>): Promise<void> => {
      const at = join(folder, String(k).padStart(3, '0'));
      const found = await work(at, readNpy(join(at, 'truth.npy'))).catch((error: Error) => [error.message]);
      for (const what of found) wrong.push(`${k} ${what} ${JSON.stringify(choices)}`);
    };
    await Promise.all(Array.from({ length: 4 }, worker));
    return wrong;
  };

  test('training reads the reflectance that each states, and leaves out what it says is none', async () => {
    const wrong = await each(1, async (at, truth) => {
      const pair = { source: 's.tif', target: 't.tif', patch: [8, 8] as [number, number] };
      const { all } = await openDataset(at, dataOf({ pair }));
      const faults: string[] = [];
      for (const patch of all) {
        const [x, y] = patch.source.window ?? [0, 0];
        const { source, target, mask } = await readPatch(patch, names);
        for (let i = 0; i < source.length; i++) {
          const [band, row, column] = [i >> 6, (i >> 3) & 7, i & 7];
          const value = truth[band * width * height + (y + row) * width + x + column];
          const valid = Number.isNaN(value) ? 0 : 1;
          if (mask[i & 63] !== valid) faults.push(`mask ${mask[i & 63]} for ${value}`);
          else if (valid && source[i] !== value) faults.push(`${names[band]} ${source[i]} for ${value}`);
          else if (valid && Math.abs(target[i] - lines[band][0] * value - lines[band][1]) > 0.501)
            faults.push(`target ${target[i]} for ${value}`);
        }
      }
      return faults.slice(0, 1);
    });
    expect(wrong).toEqual([]);
  }, 300_000);

  test('a scene is aligned to the same', async () => {
    const aligner = await loadAligner(weights, []);
    const wrong = await each(3, async (at, truth) => {
      const out = join(at, 'out.tif');
      const { type, nodata, scale, offset } = pairs[Number(at.slice(-3))];
      const request = {
        inputs: [join(at, 's.tif')],
        out,
        // where nothing is stated, numbers are reflectance × 10 000
        ...(scale === 1 && offset === 0 ? { boaOffset: 0 } : {}),
      };
      const unholdable = type === 'int32' && nodata === -9999;
      if (unholdable)
        await expect(applyScene(request, { aligner, weights })).rejects.toThrow(/uint16 cannot hold it/);
      await applyScene(unholdable ? { ...request, type: 'float32' } : request, { aligner, weights });
      const raster = await openRaster(out);
      const bands = await raster.read();
      await raster.close();
      const faults: string[] = [];
      bands.forEach((band, b) => {
        band.forEach((value, i) => {
          const wanted = lines[b][0] * truth[b * width * height + i] + lines[b][1];
          const isNone =
            Number.isNaN(value) || value === (raster.nodata === null ? null : Math.fround(raster.nodata));
          if (Number.isNaN(wanted) !== isNone || Math.abs(value - wanted) > 0.501)
            faults.push(`${names[b]} ${value} for ${wanted}`);
        });
      });
      return faults.slice(0, 1);
    });
    expect(wrong).toEqual([]);
  }, 300_000);
});
