import type { ListName } from '../dataset/lists.js';
import { type Patch, tileKey } from '../dataset/patch.js';
import type { SummedRows } from '../dataset/statistics-table.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { TileRecord } from '../evaluation/tile-record.js';
import type { Aligner } from '../experiments/aligner.js';
import { modelOf } from '../models/index.js';
import type { Mapping } from '../models/mapping.js';
import type { OnProgress } from '../progress.js';
import type { PreparedData } from './prepare-data.js';
import { tilesAtOnce } from './stepper.js';

/** A model that can be scored: its mapping of a tile, and the conv module behind it. */
export type Scored = Pick<Aligner, 'experiment' | 'conv' | 'mapping'>;

/** Mappings of a network by tile, some tiles predicted together as the first of them is asked for; in their order. */
const predictedAhead = (mapping: Scored['mapping'], data: PreparedData, tiles: readonly string[]) => {
  const ahead = new Map<string, Promise<Mapping>>();
  return (tile: string): Promise<Mapping> => {
    if (!ahead.has(tile)) {
      ahead.clear();
      const first = tiles.indexOf(tile);
      for (const next of tiles.slice(first, first + tilesAtOnce)) {
        const predicted = mapping(data.tile(next));
        // a failure is thrown when its turn comes, not before
        predicted.catch(() => {});
        ahead.set(next, predicted);
      }
    }
    return ahead.get(tile)!;
  };
};

/**
 * Mappings by tile and patch, each predicted once. A bound looks at the target too: at all patches of the tile, whatever
 * their list, or, cross-fitted, at every other one, those beside the half that is scored.
 */
const mappings = ({ experiment, mapping }: Scored, data: PreparedData, patches: readonly Patch[]) => {
  const { bound, network } = modelOf(experiment);
  if (network) return predictedAhead(mapping, data, [...new Set(patches.map(tileKey))]);
  let [last, known]: [string, (Promise<Mapping> | undefined)[]] = ['', []];
  return (tile: string, patch: Patch): Promise<Mapping> => {
    if (tile !== last) [last, known] = [tile, []];
    const all = data.ofTile(tile);
    const half = bound === 'cross-fitted' ? all.indexOf(patch) % 2 : 0;
    const sums = (): SummedRows | null => {
      const seen = bound === 'cross-fitted' ? all.filter((_, i) => i % 2 !== half) : all;
      return seen.length > 0 ? data.sum(seen) : null;
    };
    known[half] ??= mapping({ ...data.tile(tile), ...(bound && { sums }) });
    return known[half];
  };
};

/** Error sums of each tile of a list, LUTs predicted from tile histograms. */
export const scoreList = (
  scored: Scored,
  data: PreparedData,
  split: ListName,
  options: {
    residuals?: Parameters<typeof evaluate>[0]['residuals'];
    onProgress: OnProgress;
    signal?: AbortSignal;
  },
): Promise<TileRecord[]> =>
  evaluate({
    data: scored.experiment.data,
    split,
    patches: data.lists[split],
    read: data.read,
    mapping: mappings(scored, data, data.lists[split]),
    conv: scored.conv,
    ...options,
  });
