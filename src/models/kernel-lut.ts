import { jointShape } from '../dataset/joint-statistics.js';
import { quadraticLoss } from '../dataset/statistics.js';
import { rowError } from '../engine/statistics-error.js';
import {
  fitTileRegression,
  kernelSettings,
  needsJoint,
  predictTile,
  readRegression,
  regressionParameters,
  regressionTensors,
  type TileRegression,
  validationTiles,
} from './kernel-regression.js';
import { lowRank } from './low-rank.js';
import { type Knots, lutOfBands } from './mapping.js';
import { mappingTensors, readMapping } from './mapping-tensors.js';
import { makeModel, z } from './model.js';
import { smoothLut, smoothLuts } from './smooth-lut.js';
import { tensorReader } from './tensor-values.js';

/** The global LUT, and a regression from a tile to the coordinates of its correction in some basis LUTs. */
interface KernelLut {
  global: Knots;
  /** Corrections of all bands together, [rank · bands·knots], stored units. */
  basis: Float64Array;
  coordinates: TileRegression;
}

const corrected = (
  { knots, bandMax, values }: Knots,
  basis: Float64Array,
  coordinates: Float64Array,
): Knots => {
  const lut = Float64Array.from(values);
  for (const [r, along] of coordinates.entries())
    for (let k = 0; k < lut.length; k++) lut[k] += along * basis[r * lut.length + k];
  return lutOfBands(
    bandMax.map((_, b) => lut.subarray(b * knots, (b + 1) * knots)),
    bandMax,
  );
};

/**
 * LUTs of each tile: kernel ridge regression from what the tile looks like (by default its histograms, as the UNet sees them)
 * to the correction of the global LUT that training patches asked for, in a basis of a few LUTs. In closed form.
 */
export const kernelLut = makeModel({
  kind: 'kernel-lut',
  settings: {
    ...kernelSettings('gauss', { share: 0.1, quantile: 0.05 }, [0.5, 1, 2, 4]),
    rank: z.int().min(1).max(512).default(48).describe('Basis LUTs.'),
    smoothness: z
      .number()
      .positive()
      .default(2560)
      .describe("λ of a training patch's own correction, relative to its mean count per knot."),
    own: z
      .number()
      .positive()
      .default(0.05)
      .describe("Ridge of a training patch's own correction, relative to its mean count per knot."),
    globalSmoothness: z.number().positive().default(1e-3).describe('λ of the global LUT.'),
  },
  joint: ({ settings, data }) => (needsJoint(settings) ? jointShape(data.bands.length, 1) : null),
  fit: ({ settings, data, sums, patches }): KernelLut => {
    const { knots, smoothness, own: ridge } = settings;
    const bands = data.bands.length;
    const { table, rows } = patches;
    const global = smoothLuts(sums, data.bandMax, knots, settings.globalSmoothness);
    const width = bands * knots;
    // knots weigh by the pixels that read them
    const weights = Float64Array.from({ length: width }, (_, i) => {
      const { n, diagonal } = sums.bands[Math.floor(i / knots)];
      return Math.sqrt(diagonal[i % knots] / Math.max(1, n) + 1e-6);
    });
    const corrections = new Float64Array(rows.train.length * width);
    for (const [i, row] of rows.train.entries())
      for (const [b, band] of patches.sum([row]).bands.entries()) {
        const base = global.values.subarray(b * knots, (b + 1) * knots);
        const lut = smoothLut(band, base, smoothness, ridge);
        for (let k = 0; k < knots; k++)
          corrections[i * width + b * knots + k] = weights[b * knots + k] * (lut[k] - base[k]);
      }
    const { basis: weighted, coordinates: targets } = lowRank(corrections, width, settings.rank);
    const basis = weighted.map((value, i) => value / weights[i % width]);
    const ofTile = validationTiles(patches);
    const before = sums.bands.map(
      (band, b) => quadraticLoss(band, global.values.subarray(b * knots, (b + 1) * knots)).sse,
    );
    const { regression } = fitTileRegression(patches, bands, settings, [[targets]], (tile, coordinates) => {
      const lut = corrected(global, basis, coordinates).values;
      let error = 0;
      // beside the global LUT's error, so that all bands decide
      for (const row of ofTile.get(tile)!)
        for (let b = 0; b < bands; b++)
          error += rowError(table, row, b, lut, b * knots) / Math.max(1, before[b]);
      return error;
    });
    return { global, basis, coordinates: regression };
  },
  mapping: ({ global, basis, coordinates }, tile) => corrected(global, basis, predictTile(coordinates, tile)),
  tensors: ({ global, basis, coordinates }) => {
    const width = global.values.length;
    return new Map([
      ...mappingTensors(global),
      ['basis', { dtype: 'F64', shape: [basis.length / width, width], data: basis }],
      ...regressionTensors(coordinates),
    ]);
  },
  restore: (tensors, { settings, data }) => {
    const bands = data.bands.length;
    const global = readMapping(tensors, settings.knots, data.bandMax) as Knots;
    const { read, check } = tensorReader(tensors);
    const basis = read('basis', 'F64', null, bands * settings.knots);
    check();
    const rank = basis.length / (bands * settings.knots);
    return { global, basis, coordinates: readRegression(tensors, settings, bands, [rank]) };
  },
  parameters: ({ global, basis, coordinates }) =>
    global.values.length + basis.length + regressionParameters(coordinates),
});
