import { rm } from 'node:fs/promises';
import type { Experiment } from '../experiments/experiment.js';
import { openCache } from '../dataset/cache.js';
import { patchHistograms } from '../dataset/histogram-source.js';
import { openDataset } from '../dataset/layout.js';
import { sumRows } from '../dataset/statistics-table.js';
import { fitGlobalLut } from '../models/fitted.js';
import { unetLutShape } from '../models/unet-lut.js';
import { fitWeights } from '../training/fit.js';
import { freshState } from '../training/train-unet-lut.js';

/** Steps that are timed, after the first two: those load kernels and fill caches. */
const timedSteps = 5;
const warmUpSteps = 2;

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

/**
 * Times a few training steps on the first training patches of a dataset, on this machine as it is now; nothing else of the
 * dataset is read and nothing is kept.
 *
 * @returns ms per step, the median of five
 */
export const timeSteps = async (
  experiment: Experiment,
  root: string,
  { divide, signal }: { divide?: string; signal?: AbortSignal } = {},
): Promise<number> => {
  const { data, model, train, split } = experiment;
  const dataset = await openDataset(root, data, { divide, split });
  const patches = dataset.lists.train.slice(0, train.batchSize);
  const cache = await openCache({
    dataset: { all: patches },
    data,
    knots: model.knots,
    pixels: true,
    signal,
  });
  try {
    const { table, pixels } = cache;
    const { counts } = await patchHistograms(root, table, data);
    const rows = table.ids.map((_, row) => row);
    const count = (warmUpSteps + timedSteps) * train.batchSize;
    const shape = unetLutShape(experiment);
    const sums = sumRows(table, rows);
    const times: number[] = [];
    let last = performance.now();
    await fitWeights({
      experiment: { ...experiment, train: { ...train, epochs: 1, shuffle: false } },
      shape,
      base: model.unet.output === 'correction' ? fitGlobalLut(experiment, sums).values : null,
      table,
      rows: Array.from({ length: count }, (_, i) => rows[i % rows.length]),
      histogram: (row) => counts.get(table.ids[row])!,
      pixels: shape.conv ? (batches) => pixels!.readAhead(batches) : null,
      validate: async () => ({ mse: 0, rmse: [] }),
      state: freshState(experiment, shape),
      onEpoch: async () => {},
      onProgress: () => {
        times.push(performance.now() - last);
        last = performance.now();
      },
      signal,
    });
    return median(times.slice(warmUpSteps));
  } finally {
    await cache.close();
    await rm(cache.folder, { recursive: true, force: true });
  }
};
