import type { SummedRows } from '../dataset/statistics-table.js';
import { Fault } from '../fault.js';
import type { Knots } from './mapping.js';
import { makeModel } from './model.js';
import { paperSettings } from './paper-settings.js';
import { smoothLuts } from './smooth-lut.js';

/** A λ so small that it only fills bins without pixels: the oracle must be a bound. */
const smoothness = 1e-9;

/** The lowest error that any LUT can reach on these pixels. */
export const bestLuts = (sums: SummedRows, bandMax: readonly number[], knots: number): Knots =>
  smoothLuts(sums, bandMax, knots, smoothness);

/** The best LUT of each tile, fitted on that tile's own target: a bound in sample, never a method. */
export const oracle = makeModel({
  kind: 'oracle',
  settings: paperSettings,
  isBound: true,
  fit: () => null,
  mapping: (_, { sums }, { settings, data }) => {
    if (!sums)
      throw new Fault('model: oracle; it is fitted on the target of each tile, and a scene has none');
    return bestLuts(sums(), data.bandMax, settings.knots);
  },
});
