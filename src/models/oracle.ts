import type { SummedRows } from '../dataset/statistics-table.js';
import { Fault } from '../fault.js';
import type { Knots } from './mapping.js';
import { makeModel, type Tile } from './model.js';
import { paperSettings } from './paper-settings.js';
import { smoothLuts } from './smooth-lut.js';

/** A λ so small that it only fills bins without pixels: the oracle must be a bound. */
const smoothness = 1e-9;

/** The lowest error that any LUT can reach on these pixels. */
export const bestLuts = (sums: SummedRows, bandMax: readonly number[], knots: number): Knots =>
  smoothLuts(sums, bandMax, knots, smoothness);

/**
 * What a bound may see of a tile's target; null where a cross-fitted one has no other patch to look at.
 * @throws Fault where there is no target, as in a scene
 */
export const targetOf = ({ sums }: Tile, kind: string): SummedRows | null => {
  if (!sums) throw new Fault(`model: ${kind}; it is fitted on the target of each tile, and a scene has none`);
  return sums();
};

/**
 * The best LUT of each tile, fitted on that tile's own target: a bound in sample, never a method. Its knots fit the noise of
 * the tile's pixels too, so no LUT that is predicted reaches it.
 */
export const oracle = makeModel({
  kind: 'oracle',
  settings: paperSettings,
  bound: 'in-sample',
  fit: () => null,
  mapping: (_, tile, { settings, data }) => bestLuts(targetOf(tile, 'oracle')!, data.bandMax, settings.knots),
});
