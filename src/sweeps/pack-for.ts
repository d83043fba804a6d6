import { digest } from '../files.js';
import type { OnProgress } from '../progress.js';
import { prepareData } from '../training/prepare-data.js';
import type { Trial } from './expand.js';
import { type TestedLists, untestedGroups } from './untested-groups.js';

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
