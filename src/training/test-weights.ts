import { readFile } from 'node:fs/promises';
import { resolveExperiment } from '../config/experiment.js';
import { override } from '../config/override.js';
import type { Experiment } from '../config/schema.js';
import { evaluate } from '../evaluation/evaluate.js';
import { poolTiles, type Score, type TileRecord } from '../evaluation/tile-record.js';
import { fitOracle } from '../models/fitted.js';
import type { Mapping } from '../models/mapping.js';
import type { ConvModule } from '../ops/mapping.js';
import { startTensorflow } from '../ops/tensorflow.js';
import type { OnProgress } from '../progress.js';
import { loadAligner } from './aligner.js';
import { type PreparedData, prepareData } from './prepare-data.js';

/** What a test is made of. */
export interface TestOptions {
  root: string;
  divide?: string;
  split: TileRecord['split'];
  /** `--set` words over the weights' own configuration. */
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

const testOn = async (
  experiment: Experiment,
  options: TestOptions,
  model: (data: PreparedData) => { conv: ConvModule | null; mapping: (tile: string) => Promise<Mapping> },
): Promise<TestOutcome> => {
  const data = await prepareData(experiment, options.root, options);
  try {
    for (const note of data.notes) options.onNote(note);
    const tiles = await evaluate({
      data: experiment.data,
      split: options.split,
      patches: data.lists[options.split],
      read: data.read,
      ...model(data),
      onProgress: options.onProgress,
      signal: options.signal,
    });
    return { experiment, score: poolTiles(tiles, undefined, experiment.data.bands), tiles };
  } finally {
    await data.close();
  }
};

/** Scores a weights file on one list of a dataset, LUTs predicted from tile histograms. */
export const testWeights = async (options: TestOptions & { weights: string }): Promise<TestOutcome> => {
  const aligner = await loadAligner(options.weights, options.words);
  if (aligner.experiment.model.kind === 'unet-lut') {
    const { name, device, why } = await startTensorflow();
    options.onNote(`backend: ${name} on ${device} (${why})`);
  }
  return testOn(aligner.experiment, options, (data) => ({
    conv: aligner.conv,
    mapping: (tile) => aligner.mapping(data.tileHistogram(tile)),
  }));
};

/** Scores the oracle: the best LUT of each tile, fitted on that tile's own target. */
export const testOracle = async (options: TestOptions & { experimentFile: string }): Promise<TestOutcome> => {
  const stored = JSON.parse(await readFile(options.experimentFile, 'utf8')) as object;
  const experiment = resolveExperiment(override(stored, options.words));
  return testOn(experiment, options, (data) => ({
    conv: null,
    mapping: async (tile) => fitOracle(experiment, data.sum(data.ofTile(tile))),
  }));
};
