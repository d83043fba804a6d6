import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { synthesizeDataset } from '../../src/dataset/synth/synth.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { prepareData } from '../../src/training/prepare-data.js';
import { makeRun } from '../../src/training/run.js';

const onProgress = (): void => {};
const lut = resolveExperiment({
  name: 'lut',
  model: { kind: 'unet-lut' },
  train: { epochs: 1, validateEvery: 1 },
});
const conv = resolveExperiment({ name: 'conv', model: { kind: 'unet-lut', conv: true } });

let folder: string;
let root: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-prepare-'));
  root = join(folder, 'data');
  await synthesizeDataset(root, { tiles: 6, patches: 2, size: 32, workers: 1 });
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  vi.stubEnv('BANDALIGN_CACHE', await mkdtemp(join(folder, 'cache-')));
  return () => vi.unstubAllEnvs();
});

const cacheFiles = async (): Promise<string[]> =>
  (await readdir(process.env['BANDALIGN_CACHE']!, { recursive: true })).map((name) =>
    name.replace(/^.*\//, ''),
  );

describe('pixels', () => {
  test('of a large dataset are packed only for a model that trains on them, and read from its files else', async () => {
    const lean = await prepareData(lut, root, { packUpTo: 0, onProgress });
    expect((await cacheFiles()).filter((name) => name.startsWith('pixels'))).toEqual([]);
    expect(() => lean.batches([[0]])).toThrow('none are packed');
    const full = await prepareData(conv, root, { packUpTo: 0, onProgress });
    expect((await cacheFiles()).filter((name) => name.startsWith('pixels'))).toHaveLength(1);
    expect(full.table).toEqual(lean.table);
    expect(full.digest).toBe(lean.digest);
    for (const patch of lean.lists.test) expect(await lean.read(patch)).toEqual(await full.read(patch));
    await Promise.all([lean.close(), full.close()]);
  });

  test('that are packed already are used, whatever the model', async () => {
    await (await prepareData(conv, root, { onProgress })).close();
    const lean = await prepareData(lut, root, { packUpTo: 0, onProgress });
    const [patch] = lean.lists.test;
    expect(lean.read(patch)).not.toBeInstanceOf(Promise);
    await lean.close();
  });

  test('from files give a run the scores that packed ones give', async () => {
    const outcome = async (tag: string, packUpTo: number) => {
      vi.stubEnv('BANDALIGN_CACHE', await mkdtemp(join(folder, 'cache-')));
      const options = { packUpTo, onProgress, onNote: onProgress, outputDir: join(folder, 'runs') };
      const { result } = await makeRun({ experiment: lut, root, tag, ...options });
      const packed = (await cacheFiles()).some((name) => name.startsWith('pixels'));
      expect(packed).toBe(packUpTo > 0);
      return result.scores;
    };
    expect(await outcome('from-files', 0)).toEqual(await outcome('packed', 4e9));
  });
});

test('a first file that cannot be opened is told with the others', async () => {
  const bad = join(folder, 'bad');
  await synthesizeDataset(bad, { tiles: 3, patches: 1, size: 16, workers: 1 });
  const whole = await prepareData(lut, bad, { onProgress });
  await whole.close();
  const patches = whole.lists.train;
  for (const { source } of patches) await writeFile(source.path, 'no raster');
  const faults = await prepareData(lut, bad, { onProgress }).catch((error) => error.faults);
  expect(faults).toHaveLength(patches.length);
});

test('histograms made with another bandMax are noted', async () => {
  const parity = join(import.meta.dirname, '../fixtures/parity/data');
  const notes = async (nir: number): Promise<string> => {
    const data = await prepareData(
      resolveExperiment({ data: { bandMax: [3000, 3000, 4000, nir] } }),
      parity,
      {
        onProgress,
      },
    );
    await data.close();
    return data.notes.join('\n');
  };
  expect(await notes(6500)).not.toContain('other bins');
  expect(await notes(5000)).toMatch(/puts .+ % of the pixels into other bins/);
});
