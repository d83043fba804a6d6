import type { Patch } from '../dataset/patch.js';
import { groupOf } from '../dataset/split.js';
import { digest } from '../files.js';
import type { OnProgress } from '../progress.js';
import { prepareData } from '../training/prepare-data.js';
import type { Trial } from './expand.js';

type Split = Trial['experiment']['split'];

/** The lists that trials of one split test on, and all patches there are. */
interface TestedLists {
  split: Split;
  test: readonly Patch[];
  all: readonly Patch[];
}

/** Groups that are named. */
const named = 5;

/**
 * A line for each way of leaving out of which a sweep runs some folds but not all: the table would say nothing of the
 * others, and not that it does so. A single fold is taken to be meant.
 */
const untestedGroups = (tested: readonly TestedLists[]): string[] => {
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

/**
 * Reads and packs a dataset for all trials of a sweep, so that none of them waits for another's packing, and finds what is
 * wrong with the data before any is started.
 *
 * @returns the digest of what was read for each way in which the trials read it
 */
export const packFor = async (
  trials: readonly Trial[],
  root: string,
  options: {
    divide?: string;
    onProgress: OnProgress;
    onNote: (text: string) => void;
    signal?: AbortSignal;
  },
): Promise<Record<string, string>> => {
  const ways = new Map(
    trials.map(({ experiment }) => [
      digest(JSON.stringify([experiment.data, experiment.split, experiment.model.knots])).slice(0, 16),
      experiment,
    ]),
  );
  const digests: Record<string, string> = {};
  const tested: TestedLists[] = [];
  for (const [way, experiment] of ways) {
    const data = await prepareData(experiment, root, options);
    digests[way] = data.digest;
    const { train, val, test } = data.lists;
    tested.push({ split: experiment.split, test, all: [...train, ...val, ...test] });
    await data.close();
  }
  for (const line of untestedGroups(tested)) options.onNote(line);
  return digests;
};
