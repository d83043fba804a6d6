import type { SplitSettings } from '../config/schema.js';
import { Fault } from '../fault.js';
import { type ListName, listNames } from './lists.js';
import type { Patch } from './patch.js';

type Split = SplitSettings;

/** What leaves out together, by the way of splitting. */
export const groupOf: Record<Exclude<Split['by'], 'lists'>, (patch: Patch) => string> = {
  tile: ({ tile }) => tile,
  date: ({ date }) => date,
  site: ({ region }) => region,
};

const foldsOf = (patches: readonly Patch[], { by, folds }: Split): Patch[][] => {
  if (by === 'lists') return [];
  const key = groupOf[by];
  const groups = new Map<string, Patch[]>();
  for (const patch of patches) {
    const group = groups.get(key(patch));
    if (group) group.push(patch);
    else groups.set(key(patch), [patch]);
  }
  if (by === 'date' && groups.has(''))
    throw new Fault('split.by: date; patches of this dataset have no dates, split by tile or site');
  const sorted = [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
  if (by === 'site' || folds === null) return sorted;
  if (folds > sorted.length)
    throw new Fault(`split.folds: ${folds}; there are ${sorted.length} ${by}s, so choose no more than that`);
  const out = Array.from({ length: folds }, (): Patch[] => []);
  // sorted tiles are neighbours: dealing them out like cards gives each fold some of every site; dates stay together, as a
  // season is what is to be left out
  for (const [index, group] of sorted.entries())
    out[by === 'tile' ? index % folds : Math.floor((index * folds) / sorted.length)].push(...group);
  return out;
};

/**
 * Splits all patches of a dataset anew: group `split.fold` (in sorted order) tests, the next one, the first after the
 * last, validates, the others train. `by: 'lists'` gives the lists back as they are; site is the region.
 * @throws Fault where there are fewer than three groups or no such fold.
 */
export const resplit = (
  lists: Readonly<Record<ListName, readonly Patch[]>>,
  split: Split,
): Record<ListName, Patch[]> => {
  if (split.by === 'lists') return { train: [...lists.train], val: [...lists.val], test: [...lists.test] };
  const unique = new Map(listNames.flatMap((name) => lists[name].map((patch) => [patch.id, patch] as const)));
  const folds = foldsOf([...unique.values()], split);
  if (folds.length < 3)
    throw new Fault(
      `split.by: ${split.by}; ${folds.length} groups, train, val and test need one each: split otherwise`,
    );
  if (split.fold >= folds.length)
    throw new Fault(`split.fold: ${split.fold}; there are folds 0 to ${folds.length - 1}`);
  const validation = (split.fold + 1) % folds.length;
  return {
    train: folds.filter((_, index) => index !== split.fold && index !== validation).flat(),
    val: folds[validation],
    test: folds[split.fold],
  };
};
