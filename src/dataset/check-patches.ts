import type { DataSettings } from '../config/schema.js';
import type { OnProgress } from '../progress.js';
import { inOrder } from './in-order.js';
import { type ListName, listNames } from './lists.js';
import { type Patch, tileKey } from './patch.js';
import { inspectPatch, type PatchReport } from './read-patch.js';

/** Counts of one list and region. */
export interface CheckedGroup {
  list: ListName;
  region: string;
  /** Patches that the list names. */
  patches: number;
  /** Those of them that were read without a fault; the counts of pixels are theirs. */
  read: number;
  /** `tile_date`s. */
  tiles: number;
  dates: number;
  /** Patches without a valid pixel: training and testing skip them. */
  skipped: number;
  /** Share of valid pixels. */
  validShare: number;
}

export interface CheckedPatches {
  groups: CheckedGroup[];
  faults: string[];
  notes: string[];
  skipped: string[];
  /** Patches by width × height, and by the types of source and target. */
  sizes: Record<string, number>;
  types: Record<string, number>;
}

const atOnce = 8;

interface Seen {
  valid: number;
  pixels: number;
}

const groupsOf = (
  lists: Readonly<Record<ListName, readonly Patch[]>>,
  seen: ReadonlyMap<string, Seen>,
): CheckedGroup[] =>
  listNames.flatMap((list) => {
    const regions = [...new Set(lists[list].map(({ region }) => region))].sort();
    return regions.map((region): CheckedGroup => {
      const patches = lists[list].filter((patch) => patch.region === region);
      const read = patches.flatMap(({ id }) => seen.get(id) ?? []);
      const pixels = read.reduce((sum, patch) => sum + patch.pixels, 0);
      return {
        list,
        region,
        patches: patches.length,
        read: read.length,
        tiles: new Set(patches.map(tileKey)).size,
        dates: new Set(patches.map(({ date }) => date)).size,
        skipped: read.filter(({ valid }) => valid === 0).length,
        validShare: pixels === 0 ? 0 : read.reduce((sum, { valid }) => sum + valid, 0) / pixels,
      };
    });
  });

/** Reads every patch of the lists that is not `missing` once, a few at a time, and gathers what {@link inspectPatch} finds. */
export const checkPatches = async (
  lists: Readonly<Record<ListName, readonly Patch[]>>,
  missing: ReadonlySet<string>,
  bands: DataSettings['bands'],
  progress: OnProgress,
  signal: AbortSignal,
): Promise<CheckedPatches> => {
  const unique = new Map(listNames.flatMap((name) => lists[name].map((patch) => [patch.id, patch] as const)));
  const patches = [...unique.values()].filter(({ id }) => !missing.has(id));
  const [faults, notes] = [new Set<string>(), new Set<string>()];
  const seen = new Map<string, Seen>();
  const [sizes, types] = [new Map<string, number>(), new Map<string, number>()];
  const count = (map: Map<string, number>, key: string): unknown => map.set(key, (map.get(key) ?? 0) + 1);
  let done = 0;
  const inspect = (patch: Patch): Promise<PatchReport> => {
    signal.throwIfAborted();
    return inspectPatch(patch, bands);
  };
  await inOrder(patches, atOnce, inspect, async (report, patch) => {
    // a file that several patches are cut from is reported once
    for (const fault of report.faults) faults.add(fault);
    for (const note of report.notes) notes.add(note);
    if (report.pixels) {
      const { width, height, mask } = report.pixels;
      seen.set(patch.id, { valid: mask.reduce((sum, valid) => sum + valid, 0), pixels: mask.length });
      count(sizes, `${width} × ${height}`);
      count(types, report.types.join(', '));
    }
    progress({ stage: 'checking', done: ++done, total: patches.length, unit: 'patches' });
  });
  return {
    groups: groupsOf(lists, seen),
    faults: [...faults],
    notes: [...notes],
    skipped: patches.flatMap(({ id }) => (seen.get(id)?.valid === 0 ? [id] : [])),
    sizes: Object.fromEntries(sizes),
    types: Object.fromEntries(types),
  };
};
