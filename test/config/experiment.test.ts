import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, expectTypeOf, test } from 'vitest';
import { flatten, override } from '../../src/config/override.js';
import type { Experiment } from '../../src/experiments/experiment.js';
import { defineExperiment, resolveExperiment } from '../../src/experiments/experiment.js';
import { loadExperiment, loadTyped } from '../../src/experiments/load.js';
import { Fault } from '../../src/fault.js';

const faultsOf = (work: () => unknown): readonly string[] => {
  try {
    work();
  } catch (error) {
    if (error instanceof Fault) return error.faults;
    throw error;
  }
  return [];
};

describe('resolveExperiment', () => {
  test('spells out the published defaults', () => {
    const { data, train, model } = resolveExperiment({});
    expect(data.bandMax).toEqual([3000, 3000, 4000, 6500]);
    expect(train).toMatchObject({ epochs: 200, batchSize: 4, lr: 1e-3, weightDecay: 1e-4, validateEvery: 5 });
    expect(model).toMatchObject({ kind: 'unet-lut', knots: 256, conv: false });
    expectTypeOf(resolveExperiment({})).toEqualTypeOf<Experiment>();
  });

  test('names every fault at once, with what is allowed', () => {
    expect(
      faultsOf(() =>
        resolveExperiment({ model: { kind: 'forest', konts: 3 }, train: { lr: -1, epochs: 'many' }, sed: 1 }),
      ),
    ).toMatchInlineSnapshot(`
      [
        "setting model.kind: "forest"; allowed: one of identity, linear, histogram-matching, global-lut, multi-band, kernel-lut, kernel-linear, gp-linear, unet-lut, oracle, cross-fitted-lut, cross-fitted-linear",
        "unknown setting: model.konts=3; did you mean knots? allowed here: kind, knots, conv, linear, globalLut, unet",
        "setting train.epochs: "many"; allowed: a number",
        "setting train.lr: -1; allowed: above 0",
        "unknown setting: sed=1; did you mean seed? allowed here: name, description, seed, backend, data, split, model, loss, train",
      ]
    `);
  });

  test('checks what belongs together', () => {
    expect(faultsOf(() => resolveExperiment({ data: { bandMax: [3000] } }))).toEqual([
      'setting data.bandMax: [3000]; allowed: one value for each of 4 bands',
    ]);
    expect(faultsOf(() => resolveExperiment({ model: { knots: 64 } }))).toEqual([
      'setting model.knots: 64; allowed: data.bins (256) for a unet-lut',
    ]);
    expect(faultsOf(() => resolveExperiment({ model: { kind: 'linear', conv: true } }))).toHaveLength(1);
  });
});

describe('override', () => {
  test('sets dotted keys, JSON where it is JSON', () => {
    const words = ['train.lr=0.01', 'model.conv=True', 'name=a-b', 'data.bandMax=[1,2]', 'data.ndvi=null'];
    expect(override({ train: { epochs: 3 } }, words)).toEqual({
      train: { epochs: 3, lr: 0.01 },
      model: { conv: true },
      name: 'a-b',
      data: { bandMax: [1, 2], ndvi: null },
    });
  });

  test('leaves its input alone and refuses malformed words', () => {
    const input = { train: { epochs: 3 } };
    override(input, ['train.epochs=4']);
    expect(input.train.epochs).toBe(3);
    expect(faultsOf(() => override({}, ['train.epochs', '=3', '__proto__.x=1']))).toHaveLength(3);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  test('flatten names every leaf', () => {
    expect(flatten({ a: { b: 1, c: [1, 2] }, d: 'x' })).toEqual({ 'a.b': '1', 'a.c': '[1,2]', d: 'x' });
  });
});

describe('loadExperiment', () => {
  const rows = [
    'identity',
    'linear',
    'histogram-matching',
    'global-lut',
    'unet-lut',
    'unet-lut-tv',
    'unet-lut-conv',
    'unet-lut-conv-tv',
    'oracle',
  ];
  test.each(['paper', 'demo'])('every row of %s loads', async (folder) => {
    for (const row of rows) {
      const experiment = await loadExperiment(`${folder}/${row}`);
      expect(experiment.name).toBe(row);
      expect(experiment.model.conv).toBe(row.includes('conv'));
      expect(experiment.loss.tv > 0).toBe(row.endsWith('tv'));
    }
  });

  test('a bare name is the published recipe', async () => {
    expect((await loadExperiment('unet-lut-conv-tv')).train.batchNorm).toBe('published');
  });

  test('an unknown name is told the names there are, and the nearest', async () => {
    await expect(loadExperiment('forest')).rejects.toThrow(
      /^experiment: forest; no such file or name, there are .*, linear, .*, or give a path ending in \.ts$/,
    );
    await expect(loadExperiment('paper/unet-ult')).rejects.toThrow(/did you mean unet-lut\? there are/);
    await expect(loadExperiment('./forest.ts')).rejects.toThrow(
      /^experiment: \/.*\/forest\.ts; no such file$/,
    );
  });

  test('a name is the packaged experiment, whatever lies in the working folder; a path is the file', async () => {
    const [before, folder] = [process.cwd(), await mkdtemp(join(tmpdir(), 'bandalign-names-'))];
    const mine = "export default { name: 'mine', model: { kind: 'identity' } };";
    try {
      process.chdir(folder);
      await mkdir('experiments/paper', { recursive: true });
      for (const file of ['linear.ts', 'experiments/forest.ts', 'experiments/paper/unet-lut.ts'])
        await writeFile(file, mine);
      const notes: string[] = [];
      const nameOf = async (word: string): Promise<string> =>
        (await loadExperiment(word, [], (text) => void notes.push(text))).name;
      expect(await nameOf('linear')).toBe('linear');
      expect(await nameOf('paper/unet-lut')).toBe('unet-lut');
      expect(await nameOf('identity')).toBe('identity');
      expect(notes).toEqual([
        'experiment: linear is the packaged one; for the file here give its path, ./linear.ts',
        'experiment: paper/unet-lut is the packaged one; for the file here give its path, ./experiments/paper/unet-lut.ts',
      ]);
      for (const path of [
        './linear',
        './linear.ts',
        'linear.ts',
        'experiments/forest.ts',
        join(folder, 'linear'),
      ])
        expect(await nameOf(path), path).toBe('mine');
      await expect(nameOf('forest')).rejects.toThrow(
        /^experiment: forest; no packaged experiment, and a file needs its path: give \.\/experiments\/forest\.ts$/,
      );
      await expect(nameOf('paper/../../linear')).rejects.toThrow(/no packaged experiment/);
    } finally {
      process.chdir(before);
      await rm(folder, { recursive: true });
    }
  });
});

test('defineExperiment checks types as it is written', () => {
  expectTypeOf(defineExperiment).parameter(0).toHaveProperty('model');
  // @ts-expect-error an unknown kind is a type error in the editor
  defineExperiment({ model: { kind: 'forest' } });
});

test('the experiments of the package are compiled as they stand', async () => {
  const root = new URL('../../', import.meta.url);
  const names = (await readdir(new URL('experiments/', root), { recursive: true })).filter((name) =>
    name.endsWith('.ts'),
  );
  for (const name of names) {
    const compiled = await import(new URL(`dist/packaged/${name.replace(/ts$/, 'js')}`, root).href);
    // what several share, no experiment
    if (compiled.default === undefined) continue;
    const source = await loadTyped(fileURLToPath(new URL(`experiments/${name}`, root)));
    expect(JSON.stringify(compiled.default)).toBe(JSON.stringify(source.value));
  }
  expect(names).toContain('paper/unet-lut.ts');
});
