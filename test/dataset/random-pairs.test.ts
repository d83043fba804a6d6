import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkDataset } from '../../src/dataset/check.js';
import { openDataset } from '../../src/dataset/layout.js';
import { readPatch } from '../../src/dataset/read-patch.js';
import { type ExperimentInput, resolveExperiment } from '../../src/experiments/experiment.js';
import { linesOf } from '../../src/fault.js';
import { openRaster } from '../../src/raster/read.js';
import { applyScene } from '../../src/scenes/apply-scene.js';
import { loadAligner } from '../../src/training/load-weights.js';
import { makeRun } from '../../src/training/run.js';
import { readSafetensors } from '../../src/training/safetensors.js';
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

  /** All pairs, or one of `every`, four at a time: they wait for the disk. */
  const each = async (
    work: (at: string, truth: Float64Array, choices: Record<string, unknown>) => Promise<string[]>,
    every = 1,
  ): Promise<string[]> => {
    const wrong: string[] = [];
    const queue = pairs.entries();
    const worker = async (): Promise<void> => {
      for (const [k, choices] of queue) if (k % every === 0) await check(k, choices);
    };
    const check = async (k: number, choices: Record<string, unknown>): Promise<void> => {
      const at = join(folder, String(k).padStart(3, '0'));
      const found = await work(at, readNpy(join(at, 'truth.npy')), choices).catch((error: unknown) => [
        ...linesOf(error),
      ]);
      for (const what of found) wrong.push(`${k} ${what} ${JSON.stringify(choices)}`);
    };
    await Promise.all(Array.from({ length: 4 }, worker));
    return wrong;
  };

  const dataOfPair = (at: string): ExperimentInput['data'] => {
    const mask = existsSync(join(at, 'm.tif')) ? { mask: 'm.tif' } : {};
    return { pair: { source: 's.tif', target: 't.tif', patch: [8, 8], ...mask } };
  };

  test('training reads the reflectance that each states, and leaves out what it says is none', async () => {
    const wrong = await each(async (at, truth) => {
      const { all } = await openDataset(at, dataOf(dataOfPair(at)));
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
          else if (valid && Math.abs(target[i] - lines[band][0] * value - lines[band][1]) > 1e-6)
            faults.push(`target ${target[i]} for ${value}`);
        }
      }
      return faults.slice(0, 1);
    });
    expect(wrong).toEqual([]);
  }, 300_000);

  test('train linear finds the lines', async () => {
    const wrong = await each(async (at) => {
      const { result } = await makeRun({
        experiment: resolveExperiment({ model: { kind: 'linear' }, data: dataOfPair(at) }),
        root: at,
        tag: 'run',
        outputDir: join(at, 'outputs'),
        onProgress: () => {},
        onNote: () => {},
      });
      const { tensors } = await readSafetensors(result.weights?.file ?? '');
      return lines.flatMap(([slope, intercept], band) => {
        const [a, b] = ['slope', 'intercept'].map((name) =>
          Number(tensors.get(`mapping.${name}`)?.data[band]),
        );
        return Math.abs(a - slope) < 1e-9 && Math.abs(b - intercept) < 1e-5
          ? []
          : [`${names[band]} ${a} ${b}`];
      });
    });
    expect(wrong).toEqual([]);
  }, 300_000);

  /** What `dataset check` says of each planted fault. */
  const planted: Record<string, RegExp> = {
    'target size': /t\.tif; 24 × 15 pixels, .*s\.tif has 24 × 16/,
    'target place': /t\.tif; lies elsewhere than .*s\.tif/,
    cut: /s\.tif(\.|;| )/,
    'sidecar cut': /s\.tif\.aux\.xml; not XML/,
    'sidecar root': /s\.tif\.aux\.xml; its root is not PAMDataset/,
    '.msk size': /s\.tif\.msk; 12 × 16 pixels, .*s\.tif has 24 × 16/,
    'mask size': /m\.tif; 24 × 15 pixels/,
    'scale of 0': /s\.tif; .*a scale of 0/,
    colours: /calls band 1 blue and colours it red/,
    'too large': /s\.tif; band \w+ is beyond int16 in \d+ of \d+ valid pixels/,
    shares: /s\.tif; reflectance from 0 to 1/,
    value: /s\.tif; band \w+ is NaN at column 9, row 0/,
  };

  test('dataset check finds the fault planted in each, and nothing in what is whole', async () => {
    const seen = new Set<string>();
    const wrong = await each(async (at, _, choices) => {
      const faultsIn = (folder: string) =>
        checkDataset(folder, dataOf(dataOfPair(folder))).then(
          ({ faults }) => faults,
          (error: unknown) => linesOf(error),
        );
      const kind = String(choices['planted']);
      seen.add(kind);
      const found = await faultsIn(join(at, 'planted'));
      const told = found.some((line) => planted[kind].test(line)) ? [] : [`${kind}: ${found.join(' | ')}`];
      return [...(await faultsIn(at)), ...told];
    });
    expect(wrong).toEqual([]);
    expect([...seen].sort()).toEqual(Object.keys(planted).sort());
  }, 300_000);

  // half a second each: one of three, all with BANDALIGN_TEST_ALL=1
  test('a scene is aligned to what NumPy gives', async () => {
    const aligner = await loadAligner(weights, []);
    const wrong = await each(
      async (at, _, { type, nodata, scale, offset }) => {
        const scene = readNpy(join(at, 'scene.npy'));
        const out = join(at, 'out.tif');
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
        const none = raster.nodata === null ? null : Math.fround(raster.nodata);
        for (const [b, band] of bands.entries())
          for (const [i, value] of band.entries()) {
            const wanted = lines[b][0] * scene[b * width * height + i] + lines[b][1];
            const isNone = Number.isNaN(value) || value === none;
            if (Number.isNaN(wanted) !== isNone || Math.abs(value - wanted) > 1e-3)
              faults.push(`${names[b]} ${value} for ${wanted}`);
          }
        return faults.slice(0, 1);
      },
      process.env['BANDALIGN_TEST_ALL'] === '1' ? 1 : 3,
    );
    expect(wrong).toEqual([]);
  }, 600_000);
});
