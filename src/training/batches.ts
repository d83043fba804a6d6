import type { Experiment } from '../config/schema.js';
import { identityKnots, type StatisticsTable } from '../dataset/statistics-table.js';
import { Fault } from '../fault.js';
import { histogramInput } from '../models/histogram-input.js';
import type { QuadraticBatch } from '../ops/quadratic-mse.js';

/**
 * Looks that batch norm can train on every batch: the UNet's lowest level must have two values per channel.
 * @param patches patches that train
 * @throws Fault where the smallest batch, mostly the last one of an epoch, has too few
 */
export const checkBatches = ({ model, train }: Experiment, patches: number): void => {
  const smallest = patches % train.batchSize || Math.min(patches, train.batchSize);
  if (model.unet.norm === 'batch' && smallest * (model.knots >> model.unet.depth) < 2)
    throw new Fault(
      `model.unet.depth: ${model.unet.depth}; ${model.knots} knots halved so often leave one value per channel in a batch of ${smallest} (${patches} patches by train.batchSize=${train.batchSize}), too few for batch norm: set fewer levels or another batch size`,
    );
};

/** The identity LUT of every band, [bands·knots], stored units. */
export const identityBands = (bandMax: readonly number[], knots: number): Float32Array =>
  Float32Array.from(bandMax.flatMap((max) => [...identityKnots(max, knots)]));

/** Rows of the table as one batch, in the order given. */
export const statisticsBatch = (
  table: StatisticsTable,
  rows: readonly number[],
  identity: Float32Array,
): QuadraticBatch => {
  const gather = <A extends Float32Array | Float64Array>(
    source: A,
    width: number,
    make: (length: number) => A,
  ): A => {
    const size = table.bands * width;
    const out = make(rows.length * size);
    for (const [i, row] of rows.entries())
      out.set(source.subarray(row * size, (row + 1) * size) as never, i * size);
    return out;
  };
  const floats = (length: number): Float32Array => new Float32Array(length);
  const doubles = (length: number): Float64Array => new Float64Array(length);
  return {
    diagonal: gather(table.diagonal, table.knots, floats),
    offDiagonal: gather(table.offDiagonal, table.knots, floats),
    linear: gather(table.linear, table.knots, floats),
    constant: gather(table.constant, 1, doubles),
    count: gather(table.count, 1, doubles),
    identity,
  };
};

/** UNet inputs of some patches, one behind the other, from histograms of counts [bands·bins]. */
export const inputBatch = (
  { data, model }: Experiment,
  histograms: readonly ArrayLike<number>[],
): Float32Array => {
  const size = data.bands.length * data.bins;
  const out = new Float32Array(histograms.length * size);
  for (const [i, counts] of histograms.entries())
    histogramInput(counts, data.bands.length, model.unet.input, out, i * size);
  return out;
};
