import { dirname, join } from 'node:path';
import { meanRmse } from '../evaluation/tile-record.js';
import type { Experiment } from '../experiments/experiment.js';
import { models } from '../models/index.js';
import type { Model } from '../models/model.js';
import { type RunResult, readResult } from './result.js';

/** Mean RMSE over bands of the runs between which a gap is closed. */
export interface GapEnds {
  /** Of the model that others are to beat: 0 is closed. */
  reference: number;
  /** Of the bound: all is closed. */
  bound: number;
}

/**
 * Where the scale of a run's `test/gap_closed` lies: at a reference and a bound that were tested on the same data, in the
 * same sweep or in runs beside it that are called as their model. Null without one of them.
 *
 * @param folder of the run
 */
export const gapEnds = async (
  { experiment, result }: { experiment: Experiment; result: RunResult },
  folder: string,
  trials: readonly { tag: string; experiment: Experiment }[] | null,
): Promise<GapEnds | null> => {
  const split = JSON.stringify(experiment.split);
  const isTwin = (other: RunResult | null): other is RunResult =>
    other?.data.digest === result.data.digest && other.scores.test.n === result.scores.test.n;
  const lowest = async (isEnd: (model: Model) => boolean | undefined): Promise<number | null> => {
    const scores: number[] = [];
    for (const { kind } of models.list().filter(isEnd)) {
      const tags = trials
        ? trials
            .filter(({ experiment: { model } }) => model.kind === kind)
            .filter((trial) => JSON.stringify(trial.experiment.split) === split)
            .map(({ tag }) => tag)
        : [kind];
      for (const tag of tags) {
        const other = await readResult(join(dirname(folder), tag, 'result.json'));
        if (isTwin(other) && other.kind === kind) scores.push(meanRmse(other.scores.test));
      }
    }
    return scores.length > 0 ? Math.min(...scores) : null;
  };
  const reference = await lowest(({ isReference }) => isReference);
  // as in tables: a bound that can be reached, where there is one
  const bound =
    (await lowest(({ bound }) => bound === 'cross-fitted')) ??
    (await lowest(({ bound }) => bound === 'in-sample'));
  return reference === null || bound === null ? null : { reference, bound };
};
