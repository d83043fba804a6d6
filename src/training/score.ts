import type { ListName } from '../dataset/lists.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { TileRecord } from '../evaluation/tile-record.js';
import type { Aligner } from '../experiments/aligner.js';
import type { OnProgress } from '../progress.js';
import type { PreparedData } from './prepare-data.js';

/** A model that can be scored: its mapping of a tile, and the conv module behind it. */
export type Scored = Pick<Aligner, 'experiment' | 'conv' | 'mapping'>;

/** Error sums of each tile of a list, LUTs predicted from tile histograms. */
export const scoreList = (
  { experiment, conv, mapping }: Scored,
  data: PreparedData,
  split: ListName,
  options: {
    residuals?: Parameters<typeof evaluate>[0]['residuals'];
    onProgress: OnProgress;
    signal?: AbortSignal;
  },
): Promise<TileRecord[]> =>
  evaluate({
    data: experiment.data,
    split,
    patches: data.lists[split],
    read: data.read,
    mapping: (tile) => mapping(data.tileHistogram(tile), () => data.sum(data.ofTile(tile))),
    conv,
    ...options,
  });
