import { jointShape } from '../dataset/joint-statistics.js';
import { sumJoint } from '../dataset/statistics-table.js';
import { linearCorrection } from './cross-fitted-linear.js';
import { normalEquations, polynomialOf, solveNormal, squaredErrors } from './joint-fit.js';
import {
  fitTileRegression,
  kernelSettings,
  predictTile,
  readRegression,
  regressionParameters,
  regressionTensors,
  type TileRegression,
  validationTiles,
} from './kernel-regression.js';
import { makeModel, z } from './model.js';
import { tensorReader } from './tensor-values.js';

/** The linear mapping of all training pixels, and a regression from a tile to its correction, both [terms·bands]. */
interface KernelLinear {
  global: Float64Array;
  correction: TileRegression;
}

const sum = (a: Float64Array, b: Float64Array): Float64Array => a.map((value, i) => value + b[i]);

/**
 * A linear mapping of all bands for each tile: kernel ridge regression from what the tile looks like (its histograms, alone and
 * of pairs of bands) to the correction of the global mapping that training patches asked for. In closed form.
 */
export const kernelLinear = makeModel({
  kind: 'kernel-linear',
  settings: {
    ...kernelSettings('gauss', { quantile: 0.05, joint: 0.1 }, [0.5, 1, 2, 4]),
    own: z
      .array(z.number().positive())
      .min(1)
      .default([0.03, 0.1, 0.3])
      .describe("How much a training patch's own mapping is held back."),
  },
  joint: ({ data }) => jointShape(data.bands.length, 1),
  fit: ({ settings, data, sums, patches }): KernelLinear => {
    const bands = data.bands.length;
    const all = normalEquations(sums.joint!, 1);
    const global = solveNormal(all);
    const typical = all.gram.map((value) => value / all.n);
    const { table, rows } = patches;
    const of = (some: readonly number[]) => normalEquations(sumJoint(table, some)!, 1);
    const equations = rows.train.map((row) => of([row]));
    const targets = settings.own.map((ridge) => [
      Float64Array.from(equations.flatMap((own) => [...linearCorrection(own, global, typical, ridge)])),
    ]);
    const ofTile = new Map(
      [...validationTiles(patches)].map(([tile, own]) => [
        tile,
        { equations: of(own), constants: patches.sum(own).bands.map(({ moments }) => moments.yy) },
      ]),
    );
    const before = squaredErrors(
      all,
      sums.bands.map(({ moments }) => moments.yy),
      global,
    );
    const { regression } = fitTileRegression(patches, bands, settings, targets, (tile, correction) => {
      const own = ofTile.get(tile)!;
      const squared = squaredErrors(own.equations, own.constants, sum(global, correction));
      // beside the global mapping's error, so that all bands decide
      return squared.reduce((error, value, b) => error + value / Math.max(1, before[b]), 0);
    });
    return { global, correction: regression };
  },
  mapping: ({ global, correction }, tile, { data }) =>
    polynomialOf(sum(global, predictTile(correction, tile)), 1, data.bandMax),
  tensors: ({ global, correction }) =>
    new Map([
      ['global', { dtype: 'F64', shape: [global.length], data: global }],
      ...regressionTensors(correction),
    ]),
  restore: (tensors, { settings, data }) => {
    const bands = data.bands.length;
    const outputs = (bands + 1) * bands;
    const { read, check } = tensorReader(tensors);
    const global = read('global', 'F64', outputs);
    check();
    return { global, correction: readRegression(tensors, settings, bands, [outputs]) };
  },
  parameters: ({ global, correction }) => global.length + regressionParameters(correction),
});
