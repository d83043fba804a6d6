import type { Patch } from '../dataset/patch.js';
import { groupOf } from '../dataset/split.js';
import type { Trial } from './expand.js';

type Split = Trial['experiment']['split'];

/** The lists that trials of one split test on, and all patches there are. */
export interface TestedLists {
  split: Split;
  test: readonly Patch[];
  all: readonly Patch[];
}

const named = 5;

/**
 * A line for each way of leaving out of which a sweep runs some folds but not all: the table would say nothing of the
 * others, and not that it does so. A single fold is taken to be meant.
 */
export const untestedGroups = (tested: readonly TestedLists[]): string[] => {
  const lines: string[] = [];
  for (const by of ['tile', 'date', 'site'] as const) {
    const own = tested.filter(({ split }) => split.by === by);
    if (new Set(own.map(({ split }) => split.fold)).size < 2) continue;
    const names = (patches: readonly Patch[]): string[] => patches.map(groupOf[by]);
    const all = new Set(own.flatMap((lists) => names(lists.all)));
    const met = new Set(own.flatMap((lists) => names(lists.test)));
    const left = [...all].filter((name) => !met.has(name)).sort();
    if (left.length === 0) continue;
    const some = left.length > named ? `${left.slice(0, named).join(', ')}, …` : left.join(', ');
    lines.push(
      `split.by=${by}: ${left.length} of ${all.size} are in no test (${some}); name every fold in the sweep's grid to have them scored`,
    );
  }
  return lines;
};
