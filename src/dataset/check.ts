import { access, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DataSettings } from '../config/schema.js';
import { Fault } from '../fault.js';
import { ignoreProgress, type OnProgress } from '../progress.js';
import { type CheckedGroup, type CheckedPatches, checkPatches } from './check-patches.js';
import { readHistogramPickle } from './histogram-pickle.js';
import { patchPickle, tilePickle } from './histogram-source.js';
import { listPatches } from './layout.js';
import { type ListName, listNames } from './lists.js';
import { type Patch, tileKey } from './patch.js';

type Data = DataSettings;
type Lists = Readonly<Record<ListName, readonly Patch[]>>;

/** Everything `dataset check` found. */
export interface DatasetReport extends Omit<CheckedPatches, 'groups'> {
  ok: boolean;
  root: string;
  groups: CheckedGroup[];
  /** Files of the image folders that stand in no list. */
  orphans: string[];
  /** Histogram pickles that were found, and how many of the names needed they lack. */
  pickles: { path: string; names: number; missing: number }[];
}

export interface CheckOptions {
  divide?: string;
  progress?: OnProgress;
  signal?: AbortSignal;
}

const orphansOf = async (root: string, data: Data, lists: Lists): Promise<string[]> => {
  const listed = new Set<string>();
  const regions = new Set<string>();
  for (const patch of listNames.flatMap((name) => lists[name])) {
    regions.add(patch.region);
    for (const ref of [patch.source, patch.target, patch.mask]) if (ref) listed.add(ref.path);
  }
  const { source, target, mask } = data.folders;
  const folders = [...regions].flatMap((region) =>
    [source, target, mask].map((name) => join(root, region, name)),
  );
  const found = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(folder).catch(() => []);
      return names.filter((name) => /\.tiff?$/i.test(name)).map((name) => join(folder, name));
    }),
  );
  return found
    .flat()
    .filter((path) => !listed.has(path))
    .sort();
};

/** A line for each patch that two lists name. */
const leaksOf = (lists: Lists): string[] => {
  const first = new Map<string, ListName>();
  return listNames.flatMap((name) =>
    lists[name].flatMap(({ id }) => {
      const other = first.get(id);
      first.set(id, other ?? name);
      return other === undefined ? [] : [`${id} stands in ${other}.txt and in ${name}.txt`];
    }),
  );
};

const checkPickles = async (root: string, data: Data, lists: Lists) => {
  const faults: string[] = [];
  const pickles: DatasetReport['pickles'] = [];
  // training asks for patches, validation and testing for tiles
  const needed = [
    [patchPickle, new Set(lists.train.map(({ id }) => basename(id)))],
    [tilePickle, new Set([...lists.val, ...lists.test].map(tileKey))],
  ] as const;
  for (const [name, names] of needed) {
    const path = join(root, name);
    const exists = await access(path).then(
      () => true,
      () => false,
    );
    if (!exists) {
      if (data.histograms === 'pickle')
        faults.push(`histograms: ${path}; missing, but data.histograms=pickle`);
      continue;
    }
    try {
      // of other bins or bands it is passed over, as training does
      const passOver = data.histograms === 'auto' ? () => {} : undefined;
      const read = await readHistogramPickle(path, data.bands.length, data.bins, undefined, passOver);
      const missing = [...names].filter((key) => !read.has(key));
      pickles.push({ path, names: read.size, missing: missing.length });
      if (data.histograms === 'pickle')
        faults.push(
          ...missing.map((key) => `histograms: ${path}; lacks ${key}, count it or set data.histograms=auto`),
        );
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      faults.push(...error.faults);
    }
  }
  return { faults, pickles };
};

/**
 * Looks at all of a dataset: lists, every file of every patch (readable, size, bands, type, georeference, values),
 * histogram pickles, and files in no list. Nothing is thrown for a fault of the dataset: the report holds them all.
 */
export const checkDataset = async (
  root: string,
  data: Data,
  { divide, progress = ignoreProgress, signal = new AbortController().signal }: CheckOptions = {},
): Promise<DatasetReport> => {
  const { lists, missing, faults, notes } = await listPatches(root, data, divide);
  const patches = await checkPatches(lists, missing, data.bands, progress, signal);
  const isLayout = data.pair === null;
  const { faults: pickleFaults, pickles } =
    isLayout && data.histograms !== 'computed'
      ? await checkPickles(root, data, lists)
      : { faults: [], pickles: [] };
  const all = [...faults, ...patches.faults, ...pickleFaults];
  const sizes = Object.keys(patches.sizes);
  return {
    ok: all.length === 0,
    root,
    ...patches,
    faults: all,
    notes: [
      ...notes,
      ...leaksOf(lists),
      ...patches.notes,
      ...(sizes.length > 1 ? [`patches of ${sizes.length} sizes: ${sizes.join(', ')}`] : []),
      ...pickles
        .filter(({ missing }) => missing > 0)
        .map(({ path, missing }) => `${path} lacks ${missing} names: those histograms are counted anew`),
    ],
    orphans: isLayout ? await orphansOf(root, data, lists) : [],
    pickles,
  };
};
