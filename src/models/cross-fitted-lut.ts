import { lutOfBands } from './mapping.js';
import { makeModel, z } from './model.js';
import { targetOf } from './oracle.js';
import { smoothLut, smoothLuts } from './smooth-lut.js';

/**
 * LUTs of each tile, fitted on one half of its patches and scored on the other, each half in turn: the error that a LUT per
 * tile and band can reach, never a method. It corrects the global LUT, which stands alone where a tile has one patch.
 */
export const crossFittedLut = makeModel({
  kind: 'cross-fitted-lut',
  settings: {
    smoothness: z
      .number()
      .positive()
      .default(25_600)
      .describe("Weight λ of the correction's second differences, relative to the mean count per knot."),
    ridge: z
      .number()
      .positive()
      .default(0.01)
      .describe('Weight of the correction itself, relative to the mean count per knot.'),
    globalSmoothness: z.number().positive().default(1e-3).describe('λ of the global LUT.'),
  },
  bound: 'cross-fitted',
  fit: ({ settings, data, sums }) =>
    smoothLuts(sums, data.bandMax, settings.knots, settings.globalSmoothness),
  mapping: (global, tile, { settings, data }) => {
    const sums = targetOf(tile, 'cross-fitted-lut');
    if (!sums) return global;
    const { knots } = settings;
    return lutOfBands(
      sums.bands.map((band, b) =>
        smoothLut(
          band,
          global.values.subarray(b * knots, (b + 1) * knots),
          settings.smoothness,
          settings.ridge,
        ),
      ),
      data.bandMax,
    );
  },
});
