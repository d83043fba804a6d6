import { seededRandom } from '../../config/random.js';
import type { ListName } from '../lists.js';
import { patchesAcross, planTile, type SynthParameters } from './tile.js';
import { patchFile } from './write.js';

/** Share of tiles that test: 97 of 191 in the paper. */
const testShare = 97 / 191;
/** Patches along the edge of a block that goes to train or val as a whole, in the paper. */
const paperBlock = 4;

/**
 * The paper's split: tiles drawn at random for testing, and in every other tile whole blocks of patches for train or
 * val, about 1:1. Blocks are 4 × 4 patches where a tile has eight or more along an edge, smaller where it has fewer.
 */
export const synthLists = (parameters: SynthParameters): Record<ListName, string[]> => {
  const { tiles, patches, seed } = parameters;
  const random = seededRandom(seed, 'split');
  const order = random.shuffled(Array.from({ length: tiles }, (_, index) => index));
  const tested = Math.min(Math.max(1, Math.round(testShare * tiles)), tiles - 2);
  const across = patchesAcross(patches);
  const edge = Math.min(paperBlock, Math.max(1, across >> 1));
  const blocksAcross = Math.ceil(across / edge);
  const lists: Record<ListName, string[]> = { train: [], val: [], test: [] };
  // whose turn it is goes on from tile to tile, so that odd numbers of blocks even out
  let turn = 0;
  for (const [rank, index] of order.entries()) {
    const { name, date, region } = planTile(parameters, index);
    const listOf = new Map<number, ListName>();
    if (rank >= tested) {
      const used = Array.from({ length: patches }, (_, i) => blockOf(i, across, edge, blocksAcross));
      for (const block of random.shuffled([...new Set(used)]))
        listOf.set(block, turn++ % 2 === 0 ? 'train' : 'val');
    }
    for (let i = 0; i < patches; i++)
      lists[listOf.get(blockOf(i, across, edge, blocksAcross)) ?? 'test'].push(
        `${region.name}/${patchFile(name, date, i % across, Math.floor(i / across))}`,
      );
  }
  return { train: lists.train.sort(), val: lists.val.sort(), test: lists.test.sort() };
};

const blockOf = (index: number, across: number, edge: number, blocksAcross: number): number =>
  Math.floor(Math.floor(index / across) / edge) * blocksAcross + Math.floor((index % across) / edge);
