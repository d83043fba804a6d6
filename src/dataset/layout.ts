import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import type { DataSettings, SplitSettings } from '../config/schema.js';
import { Fault, refuse } from '../fault.js';
import { sidecarEndings } from '../raster/sidecars.js';
import { type ListedPatch, type ListName, listNames, readLists } from './lists.js';
import { cutPair } from './pair.js';
import type { Patch, RasterRef } from './patch.js';
import { resplit } from './split.js';
import { syntheticMarker } from './synth/marker.js';

type Data = DataSettings;

/** A dataset as its lists say it; no pixel has been read. */
export interface Dataset {
  root: string;
  lists: Record<ListName, Patch[]>;
  /** Every patch once: train, then val, then test. */
  all: Patch[];
  /** What the person should know and what is no fault, a line each. */
  notes: string[];
}

export interface DatasetOptions {
  /** Folder of train.txt, val.txt and test.txt; `<root>/divide` by default. */
  divide?: string;
  /** Leave-one-out folds instead of the lists. */
  split?: SplitSettings;
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );

const patchOf = (
  listed: ListedPatch,
  folders: Record<'source' | 'target' | 'mask', string>,
  sidecars: ReadonlySet<string>,
): Patch => {
  const ref = (folder: string): RasterRef => {
    const path = folder + listed.file;
    const beside = sidecars.size === 0 ? [] : sidecarEndings.map((ending) => path + ending);
    const present = beside.filter((name) => sidecars.has(name));
    return { path, window: null, bands: null, ...(present.length > 0 ? { sidecars: present } : {}) };
  };
  const { id, region, tile, date } = listed;
  return {
    id,
    region,
    tile,
    date,
    source: ref(folders.source),
    target: ref(folders.target),
    mask: ref(folders.mask),
  };
};

const missingShown = 20;

/**
 * A fault for each listed file that is not there, and the files beside those that are there. Folders are listed once, so
 * that no file costs a system call.
 */
export const presentFiles = async (
  root: string,
  folders: Data['folders'],
  patches: readonly ListedPatch[],
  shown: number,
): Promise<{ faults: string[]; sidecars: Set<string> }> => {
  const sidecars = new Set<string>();
  const byRegion = new Map<string, ListedPatch[]>();
  for (const patch of patches) {
    const listed = byRegion.get(patch.region);
    if (listed) listed.push(patch);
    else byRegion.set(patch.region, [patch]);
  }
  const asked = [...byRegion].flatMap(([region, listed]) =>
    [folders.source, folders.target, folders.mask].map(async (folder) => {
      const path = join(root, region, folder);
      const names = await readdir(path).catch(() => null);
      if (names === null)
        return [`folder: ${path}; missing, ${listed.length} lines of the lists name files in it`];
      const there = new Set(names);
      for (const name of names)
        if (sidecarEndings.some((ending) => name.endsWith(ending))) sidecars.add(join(path, name));
      const missing = listed.filter(({ file }) => !there.has(file));
      const lines = missing
        .slice(0, shown)
        .map(({ where, file }) => `list: ${where}; names ${join(path, file)}, which is missing`);
      if (missing.length > shown)
        lines.push(
          `folder: ${path}; ${missing.length - shown} more listed files are missing, see \`bandalign dataset check\``,
        );
      return lines;
    }),
  );
  return { faults: (await Promise.all(asked)).flat(), sidecars };
};

const repeats = (lists: Readonly<Record<ListName, readonly ListedPatch[]>>): string[] => {
  const pairs = [
    ['train', 'val'],
    ['train', 'test'],
    ['val', 'test'],
  ] as const;
  return pairs.flatMap(([first, second]) => {
    const ids = new Set(lists[first].map(({ id }) => id));
    const both = lists[second].filter(({ id }) => ids.has(id)).length;
    return both === 0
      ? []
      : [`${both} patches stand in ${first}.txt and in ${second}.txt: scores will flatter`];
  });
};

/** What to do with a folder that has no lists: mostly, two rasters were meant. */
const withoutLists = async (root: string, divide: string): Promise<Fault> => {
  const rasters = (await readdir(root)).filter((name) => /\.tiff?$/i.test(name)).sort();
  const example = rasters.length >= 2 ? rasters : ['source.tif', 'target.tif'];
  return new Fault(
    `data: ${root}; no lists in ${divide}: give their folder with --divide, or align two rasters with ` +
      `--set data.pair.source=${example[0]} --set data.pair.target=${example[1]}` +
      (rasters.length > 0 ? ` (it holds ${rasters.slice(0, 6).join(', ')}: choose which is which)` : ''),
  );
};

const syntheticNote = (root: string): Promise<string[]> =>
  stat(join(root, syntheticMarker)).then(
    () => [`synthetic data, drawn by \`bandalign dataset synth\` (${syntheticMarker})`],
    () => [],
  );

type Opened = Pick<Dataset, 'lists' | 'notes'> & { faults: string[] };

const openLists = async (root: string, data: Data, divide: string, shown: number): Promise<Opened> => {
  if (!(await isFolder(divide))) throw await withoutLists(root, divide);
  const { lists, faults } = await readLists(divide);
  const { faults: missing, sidecars } = await presentFiles(
    root,
    data.folders,
    listNames.flatMap((name) => lists[name]),
    shown,
  );
  const { source, target, mask } = data.folders;
  const regions = new Map<string, Parameters<typeof patchOf>[1]>();
  // joined once a region: a joined path is many small strings until it is used, thousands of them take memory
  const foldersOf = (region: string): Parameters<typeof patchOf>[1] => {
    const beneath = (folder: string): string => join(root, region, folder, sep);
    const found = regions.get(region) ?? {
      source: beneath(source),
      target: beneath(target),
      mask: beneath(mask),
    };
    regions.set(region, found);
    return found;
  };
  const of = (name: ListName): Patch[] =>
    lists[name].map((patch) => patchOf(patch, foldersOf(patch.region), sidecars));
  return {
    lists: { train: of('train'), val: of('val'), test: of('test') },
    notes: [...(await syntheticNote(root)), ...repeats(lists)],
    faults: [...faults, ...missing],
  };
};

const open = async (root: string, data: Data, divide: string, shown: number): Promise<Opened> => {
  if (!(await isFolder(root))) throw new Fault(`data: ${root}; no such folder`);
  if (!data.pair) return openLists(root, data, divide, shown);
  const { lists, unused, notes } = await cutPair(root, data.pair, data);
  const edges = unused > 0 ? [`${unused} pixels at the edges fill no patch and are not used`] : [];
  return { lists, notes: [...edges, ...notes], faults: [] };
};

/**
 * The lists of a dataset with every fault of them, none left out, and the patches of which a file is missing; throws
 * only where there is nothing to look at.
 */
export const listPatches = async (
  root: string,
  data: Data,
  divide: string = join(root, 'divide'),
): Promise<Opened & { missing: Set<string> }> => {
  const opened = await open(root, data, divide, Number.POSITIVE_INFINITY);
  const missing = new Set<string>();
  if (data.pair) return { ...opened, missing };
  const names = new Map<string, Set<string>>();
  for (const patch of listNames.flatMap((name) => opened.lists[name]))
    for (const ref of [patch.source, patch.target, patch.mask]) {
      if (!ref) continue;
      const folder = dirname(ref.path);
      if (!names.has(folder)) names.set(folder, new Set(await readdir(folder).catch(() => [])));
      if (!names.get(folder)?.has(basename(ref.path))) missing.add(patch.id);
    }
  return { ...opened, missing };
};

/**
 * Opens a dataset in the paper's layout (`<root>/<Region>/{S2,GF1,mask}/<tile>_<date>-<col>-<row>.tif` and
 * `<root>/divide/{train,val,test}.txt`), or, where `data.pair` is set, two co-registered rasters of `root`.
 * Reads the lists and looks that every listed file is there; no raster is opened but those of a pair.
 * @throws Fault with every fault of the lists.
 */
export const openDataset = async (
  root: string,
  data: Data,
  { divide = join(root, 'divide'), split }: DatasetOptions = {},
): Promise<Dataset> => {
  const opened = await open(root, data, divide, missingShown);
  refuse(opened.faults);
  const lists = split ? resplit(opened.lists, split) : opened.lists;
  const all = new Map<string, Patch>();
  for (const name of listNames) for (const patch of lists[name]) all.set(patch.id, patch);
  return { root, lists, all: [...all.values()], notes: opened.notes };
};
