import { type Patch, tileKey } from '../dataset/patch.js';
import { rowError } from '../engine/statistics-error.js';
import { evaluate } from '../evaluation/evaluate.js';
import type { Experiment } from '../experiments/experiment.js';
import type { Mapping } from '../models/mapping.js';
import { ignoreProgress } from '../progress.js';
import type { Validation } from './fit.js';
import { convModule, type NetworkLayout, type NetworkWeights } from './network.js';
import type { PreparedData } from './prepare-data.js';
import { type Stepper, tilesAtOnce } from './stepper.js';

/** Squared error of each band on one patch, and its valid pixels. */
interface PatchError {
  sse: number[];
  n: number;
}

/**
 * Validation of a network on some patches, LUTs from **tile** histograms, batch norm in evaluation mode (the original's
 * `valEpoch`). NaN without patches.
 */
export const validator =
  (
    experiment: Experiment,
    layout: NetworkLayout,
    stepper: Stepper,
    data: PreparedData,
    patches: readonly Patch[],
  ) =>
  async (weights: NetworkWeights): Promise<Validation> => {
    const { bands, bandMax } = experiment.data;
    const { knots } = experiment.model;
    const tiles = [...new Set(patches.map(tileKey))];
    const luts = new Map<string, Float32Array>();
    for (let i = 0; i < tiles.length; i += tilesAtOnce) {
      const some = tiles.slice(i, i + tilesAtOnce);
      const predicted = await stepper.predict(weights, some.map(data.tileHistogram));
      for (const [j, tile] of some.entries()) luts.set(tile, predicted[j]);
    }
    const errors = new Map<Patch, PatchError>();
    if (layout.conv)
      await evaluate({
        data: { ...experiment.data, ndvi: null },
        split: 'val',
        patches,
        read: data.read,
        mapping: async (tile): Promise<Mapping> => ({ form: 'lut', knots, bandMax, values: luts.get(tile)! }),
        conv: convModule(layout, weights),
        onPatch: (patch, sums) =>
          void errors.set(patch, { sse: sums.map(({ squared }) => squared), n: sums[0].n }),
        onProgress: ignoreProgress,
      });
    // without a conv module the statistics say it all
    else
      for (const patch of patches) {
        const row = data.row(patch);
        const lut = luts.get(tileKey(patch))!;
        errors.set(patch, {
          sse: bands.map((_, band) => rowError(data.table, row, band, lut, band * knots)),
          n: data.table.count[row * bands.length],
        });
      }
    const sums = new Float64Array(bands.length);
    let [n, mse] = [0, 0];
    for (const patch of patches) {
      const { sse, n: valid } = errors.get(patch)!;
      mse += sse.reduce((a, b) => a + b, 0) / (valid * bands.length);
      n += valid;
      for (const [band, value] of sse.entries()) sums[band] += value;
    }
    return { mse: mse / patches.length, rmse: [...sums].map((value) => Math.sqrt(value / n)) };
  };
