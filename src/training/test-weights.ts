import { readFile } from 'node:fs/promises';
import type { ListName } from '../dataset/lists.js';
import { poolTiles, type Score, type TileRecord } from '../evaluation/tile-record.js';
import { type Experiment, restoreExperiment } from '../experiments/experiment.js';
import { checkMetrics } from '../metrics/index.js';
import { modelOf } from '../models/index.js';
import type { OnProgress } from '../progress.js';
import { fittedMapping, loadAligner } from './load-weights.js';
import { openBackend } from './open-stepper.js';
import { fitInputOf, prepareData } from './prepare-data.js';
import { type Scored, scoreList } from './score.js';

/** What a test is made of. */
export interface TestOptions {
  root: string;
  divide?: string;
  split: ListName;
  /** `--set` words over the stored configuration. */
  words: readonly string[];
  onProgress: OnProgress;
  onNote: (text: string) => void;
  signal?: AbortSignal;
}

/** A test's outcome. */
export interface TestOutcome {
  experiment: Experiment;
  score: Score;
  tiles: TileRecord[];
}

const test = async (
  experiment: Experiment,
  options: TestOptions,
  scored: (data: Awaited<ReturnType<typeof prepareData>>) => Scored | Promise<Scored>,
): Promise<TestOutcome> => {
  checkMetrics();
  const data = await prepareData(experiment, options.root, options);
  try {
    for (const note of data.notes) options.onNote(note);
    const tiles = await scoreList(await scored(data), data, options.split, options);
    return { experiment, score: poolTiles(tiles), tiles };
  } finally {
    await data.close();
  }
};

/** Scores a weights file on one list of a dataset, LUTs predicted from tile histograms. */
export const testWeights = async (options: TestOptions & { weights: string }): Promise<TestOutcome> => {
  const aligner = await loadAligner(options.weights, options.words);
  if (modelOf(aligner.experiment).network) {
    const { name, device, why } = await openBackend(aligner.experiment);
    options.onNote(`backend: ${name} on ${device} (${why})`);
  }
  return test(aligner.experiment, options, () => aligner);
};

/** Scores a run whose model keeps no weights, such as a bound that is fitted on each tile's own target. */
export const testExperiment = async (
  options: TestOptions & { experimentFile: string },
): Promise<TestOutcome> => {
  const stored = JSON.parse(await readFile(options.experimentFile, 'utf8')) as object;
  const experiment = restoreExperiment(stored, options.words);
  return test(experiment, options, async (data) => {
    const fitted = await modelOf(experiment).fit!(fitInputOf(experiment, data));
    return { experiment, conv: null, mapping: fittedMapping(experiment, fitted) };
  });
};
