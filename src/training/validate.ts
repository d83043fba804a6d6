import type { Experiment } from '../config/schema.js';
import { type Patch, tileKey } from '../dataset/patch.js';
import { rowError } from '../evaluation/row-error.js';
import { bandErrors } from '../metrics/error-sums.js';
import { foldConv } from '../models/conv-module.js';
import { predictKnots, type UnetLutShape, type UnetLutWeights } from '../models/unet-lut.js';
import { applyConv } from '../ops/apply-conv.js';
import { applyTables, expandKnots } from '../ops/apply-mapping.js';
import type { Knots } from '../ops/mapping.js';
import type { Validation } from './fit.js';
import type { PreparedData } from './prepare-data.js';

/** Squared error of each band on one patch, and its valid pixels. */
type PatchErrors = (patch: Patch, knots: Knots) => Promise<{ sse: number[]; n: number }>;

/** Without a conv module the statistics say it all. */
const errorsFromStatistics =
  ({ table, row }: PreparedData): PatchErrors =>
  async (patch, knots) => {
    const at = row(patch);
    return {
      sse: knots.bandMax.map((_, band) => rowError(table, at, band, knots.values, band * knots.knots)),
      n: table.count[at * table.bands],
    };
  };

const errorsFromPixels = (data: PreparedData, shape: UnetLutShape, weights: UnetLutWeights): PatchErrors => {
  const module = foldConv(
    shape.spec.bands,
    weights.theta.subarray(shape.unet.parameterCount),
    weights.running.subarray(shape.unet.runningCount),
  );
  let buffers: Float32Array[] = [];
  // patches of a tile mostly stand together
  let expanded: { knots: Knots; tables: ReturnType<typeof expandKnots> } | null = null;
  return async (patch, knots) => {
    if (expanded?.knots !== knots) expanded = { knots, tables: expandKnots(knots) };
    const pixels = await data.read(patch);
    const { width, height, source } = pixels;
    if (buffers[0]?.length !== source.length)
      buffers = [new Float32Array(source.length), new Float32Array(source.length)];
    applyTables(expanded.tables, source, width * height, buffers[0]);
    applyConv(module, buffers[0], width, height, buffers[1]);
    const errors = knots.bandMax.map((_, band) => bandErrors(buffers[1], pixels, band));
    return { sse: errors.map(({ squared }) => squared), n: errors[0].n };
  };
};

/**
 * Validation of a UNet-LUT on some patches, LUTs from **tile** histograms, batch norm in evaluation mode (paper code:
 * `valEpoch`). NaN without patches.
 */
export const validator =
  (experiment: Experiment, shape: UnetLutShape, data: PreparedData, patches: readonly Patch[]) =>
  async (weights: UnetLutWeights): Promise<Validation> => {
    const tiles = [...new Set(patches.map(tileKey))];
    const knots = new Map<string, Knots>();
    // a few tiles at a time: the batch bounds the memory, evaluation mode makes it irrelevant to the result
    for (let i = 0; i < tiles.length; i += 16) {
      const some = tiles.slice(i, i + 16);
      const luts = await predictKnots(experiment, shape, weights, some.map(data.tileHistogram));
      for (const [j, tile] of some.entries()) knots.set(tile, luts[j]);
    }
    const errors = shape.conv ? errorsFromPixels(data, shape, weights) : errorsFromStatistics(data);
    const bands = experiment.data.bands.length;
    const sums = new Float64Array(bands);
    let [n, mse] = [0, 0];
    for (const patch of patches) {
      const { sse, n: valid } = await errors(patch, knots.get(tileKey(patch))!);
      mse += sse.reduce((a, b) => a + b, 0) / (valid * bands);
      n += valid;
      for (const [band, value] of sse.entries()) sums[band] += value;
    }
    return { mse: mse / patches.length, rmse: [...sums].map((value) => Math.sqrt(value / n)) };
  };
