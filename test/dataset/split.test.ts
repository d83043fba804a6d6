import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Patch } from '../../src/dataset/patch.js';
import { resplit } from '../../src/dataset/split.js';
import type { Experiment } from '../../src/experiments/experiment.js';
import { faultsOf } from './dataset-on-disk.js';

const ref = { path: '', window: null, bands: null };
const patches: Patch[] = ['A', 'B', 'C'].flatMap((region, r) =>
  Array.from({ length: 12 }, (_, i): Patch => {
    const tile = `${region}${i % 4}`;
    const date = `2020010${(r + i) % 5}`;
    return {
      id: `${region}/${tile}_${date}-${i}-00.tif`,
      region,
      tile,
      date,
      source: ref,
      target: ref,
      mask: ref,
    };
  }),
);
const lists = { train: patches.slice(0, 10), val: patches.slice(10, 20), test: patches.slice(20) };
const split = (change: Partial<Experiment['split']>): Experiment['split'] => ({
  by: 'lists',
  fold: 0,
  folds: null,
  ...change,
});

describe('resplit', () => {
  it('leaves the lists as they are by default', () => expect(resplit(lists, split({}))).toEqual(lists));

  it('holds out each group once, and no group is in two lists', () => {
    const cases = [
      { by: 'tile', folds: null, groups: 12, key: ({ tile }: Patch) => tile },
      { by: 'tile', folds: 5, groups: 5, key: ({ tile }: Patch) => tile },
      { by: 'date', folds: null, groups: 5, key: ({ date }: Patch) => date },
      { by: 'date', folds: 3, groups: 3, key: ({ date }: Patch) => date },
      { by: 'site', folds: null, groups: 3, key: ({ region }: Patch) => region },
    ] as const;
    for (const { by, folds, groups, key } of cases) {
      const tested: string[] = [];
      for (let fold = 0; fold < groups; fold++) {
        const { train, val, test } = resplit(lists, split({ by, folds, fold }));
        expect([...train, ...val, ...test].map(({ id }) => id).sort()).toEqual(
          patches.map(({ id }) => id).sort(),
        );
        expect(Math.min(train.length, val.length, test.length)).toBeGreaterThan(0);
        const keys = [train, val, test].map((list) => new Set(list.map(key)));
        expect(new Set(keys.flatMap((set) => [...set])).size).toBe(
          keys.reduce((sum, set) => sum + set.size, 0),
        );
        tested.push(...test.map(({ id }) => id));
      }
      expect(tested.sort()).toEqual(patches.map(({ id }) => id).sort());
    }
  });

  it('keeps neighbouring dates in one fold, so that a season is left out', () => {
    const dates = [...new Set(patches.map(({ date }) => date))].sort();
    const held = [0, 1, 2].map((fold) => {
      const { test } = resplit(lists, split({ by: 'date', folds: 3, fold }));
      return [...new Set(test.map(({ date }) => date))].sort();
    });
    expect(held.flat()).toEqual(dates);
  });

  it('does not depend on the order of the lists', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(patches, { minLength: patches.length }), fc.nat(11), (order, fold) => {
        const mixed = { train: order.slice(0, 3), val: order.slice(3, 30), test: order.slice(30) };
        const ids = (result: typeof mixed): string[][] =>
          Object.values(result).map((list) => list.map(({ id }) => id).sort());
        expect(ids(resplit(mixed, split({ by: 'tile', fold })))).toEqual(
          ids(resplit(lists, split({ by: 'tile', fold }))),
        );
      }),
    );
  });

  it('says why it cannot', async () => {
    expect(await faultsOf(() => resplit(lists, split({ by: 'site', fold: 3 })))).toEqual([
      'split.fold: 3; there are folds 0 to 2',
    ]);
    expect((await faultsOf(() => resplit(lists, split({ by: 'tile', folds: 13 }))))[0]).toMatch(/12 tiles/);
    expect((await faultsOf(() => resplit(lists, split({ by: 'tile', folds: 2 }))))[0]).toMatch(/2 groups/);
    const undated = { ...lists, train: lists.train.map((patch) => ({ ...patch, date: '' })) };
    expect((await faultsOf(() => resplit(undated, split({ by: 'date' }))))[0]).toMatch(/no dates/);
  });
});
