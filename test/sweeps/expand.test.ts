import { describe, expect, it } from 'vitest';
import { checkSweep, type SweepInput } from '../../src/experiments/sweep.js';
import { Fault } from '../../src/fault.js';
import { expandSweep } from '../../src/sweeps/expand.js';
import { changedTrials, fingerprint } from '../../src/sweeps/manifest.js';

const sweep: SweepInput = {
  name: 'small',
  base: { model: { kind: 'unet-lut' }, train: { epochs: 2 } },
  grid: { 'loss.tv': [0, 0.01], recipe: { a: {}, b: { train: { lr: 0.01 } } } },
  seeds: [1, 2],
  references: [{ name: 'global-lut', model: { kind: 'global-lut' } }],
};

describe('expandSweep', () => {
  it('gives every combination with every seed, the last axis fastest, references once and first', async () => {
    const trials = await expandSweep(sweep);
    expect(trials.map(({ tag }) => tag)).toEqual([
      'global-lut',
      'tv-0_recipe-a-s1',
      'tv-0_recipe-a-s2',
      'tv-0_recipe-b-s1',
      'tv-0_recipe-b-s2',
      'tv-0.01_recipe-a-s1',
      'tv-0.01_recipe-a-s2',
      'tv-0.01_recipe-b-s1',
      'tv-0.01_recipe-b-s2',
    ]);
    expect(trials.at(-1)).toMatchObject({
      index: 8,
      label: 'tv=0.01, recipe=b',
      experiment: { seed: 2, loss: { tv: 0.01 }, train: { lr: 0.01, epochs: 2 } },
    });
  });

  it('lets --set reach the base, and the references where it says what is tested', async () => {
    const trials = await expandSweep(sweep, ['train.epochs=7', 'split.by=site'], [5]);
    expect(trials).toHaveLength(5);
    expect(trials[0].experiment.split.by).toBe('site');
    expect(trials[1].experiment).toMatchObject({ seed: 5, train: { epochs: 7 }, split: { by: 'site' } });
  });

  it('runs models with a closed form once', async () => {
    const kinds = { ...sweep, grid: { 'model.kind': ['linear', 'unet-lut'] }, references: [] };
    expect((await expandSweep(kinds)).map(({ tag }) => tag)).toEqual([
      'kind-linear',
      'kind-unet-lut-s1',
      'kind-unet-lut-s2',
    ]);
  });

  it('gives references the folds of the grid, and keeps the fold out of the row', async () => {
    const trials = await expandSweep({
      ...sweep,
      base: { ...(sweep.base as object), split: { by: 'site' } },
      grid: { 'split.fold': [0, 1] },
      seeds: [1],
    });
    expect(trials.map(({ tag, row }) => [tag, row])).toEqual([
      ['global-lut-f0', 'global-lut'],
      ['global-lut-f1', 'global-lut'],
      ['experiment-f0-s1', 'experiment'],
      ['experiment-f1-s1', 'experiment'],
    ]);
    expect(trials[1].experiment.split).toMatchObject({ by: 'site', fold: 1 });
  });

  it.each([
    [{ ...sweep, grid: { 'los.tv': [1] } }, [], /unknown setting: los=/],
    [sweep, ['loss.tv=1'], /--set: loss\.tv; the sweep varies it/],
    [{ ...sweep, baseline: 'nobody' }, [], /baseline nobody; one of global-lut; tv=0, recipe=a/],
    [{ ...sweep, labels: () => 'same' }, [], /labels; same names two rows/],
    [
      { ...sweep, references: [{ model: { kind: 'linear' } }, { model: { kind: 'identity' } }] },
      [],
      /two runs would have this tag/,
    ],
  ] as [SweepInput, string[], RegExp][])('refuses %#', async (input, words, message) => {
    await expect(expandSweep(input, words)).rejects.toThrow(message);
  });

  it('tells a fault that all rows share once, and names the row of one that is its own', async () => {
    const faultsOf = async (input: SweepInput, words: string[] = []): Promise<readonly string[]> => {
      const error: unknown = await expandSweep(input, words).catch((thrown: unknown) => thrown);
      return error instanceof Fault ? error.faults : [];
    };
    const shared = await faultsOf(sweep, ['train.epoch=3']);
    expect(shared).toHaveLength(1);
    expect(shared[0]).toMatch(
      /^tv=0, recipe=a and 3 more rows: unknown setting: train\.epoch=3; did you mean epochs\? allowed here: /,
    );
    const own = await faultsOf({ ...sweep, grid: { recipe: { a: {}, b: { train: { lr: -1 } } } } });
    expect(own).toHaveLength(1);
    expect(own[0]).toMatch(/^recipe=b: .*train\.lr/);
  });

  it('checks what a file exports, all faults at once', () => {
    expect(() => checkSweep({ name: 'a b', grid: {}, jobs: 3 })).toThrow(/name.*\n?.*base|base.*\n?.*name/s);
    expect(() => checkSweep({ ...sweep, seeds: [1, 1] })).toThrow('1 stands twice');
    expect(() => checkSweep({ ...sweep, slurm: { tme: '1' } })).toThrow('slurm.tme');
  });
});

describe('fingerprint', () => {
  it('stays with the configuration and tells what changed', async () => {
    const trials = await expandSweep(sweep);
    expect(fingerprint(await expandSweep(sweep))).toBe(fingerprint(trials));
    const other = await expandSweep(sweep, ['train.epochs=3']);
    expect(fingerprint(other)).not.toBe(fingerprint(trials));
    expect(changedTrials(trials, other)).toEqual([
      expect.stringMatching(/^train\.epochs=2 \(now 3\) in tv-0_recipe-a-s1, .* and 5 more$/),
    ]);
    expect(changedTrials(trials, await expandSweep(sweep, [], [1]))).toEqual([
      expect.stringMatching(/^no longer there: tv-0_recipe-a-s2/),
    ]);
  });
});
