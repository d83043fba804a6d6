import { jointShape } from '../dataset/joint-statistics.js';
import { type NormalEquations, normalEquations, polynomialOf, solveNormal } from './joint-fit.js';
import { makeModel, z } from './model.js';
import { targetOf } from './oracle.js';

/**
 * What some pixels say against a linear mapping of all bands: the correction V of `global` that minimises their squared
 * error plus n·ridge·(0.02·VᵀSV + 1e-4·VᵀV), S the mean XᵀX of all training pixels: a correction costs what it moves on
 * typical pixels.
 *
 * @param global coefficients, [terms·bands], likewise what is returned
 */
export const linearCorrection = (
  own: NormalEquations,
  global: Float64Array,
  typical: Float64Array,
  ridge: number,
): Float64Array => {
  const { terms, bands, n, gram, cross } = own;
  const left = Float64Array.from(cross);
  for (let i = 0; i < terms; i++)
    for (let k = 0; k < terms; k++)
      for (let b = 0; b < bands; b++) left[i * bands + b] -= gram[i * terms + k] * global[k * bands + b];
  const penalty = Float64Array.from(
    typical,
    (value, at) => n * ridge * (0.02 * value + (at % (terms + 1) === 0 ? 1e-4 : 0)),
  );
  return solveNormal({ ...own, cross: left }, penalty);
};

/**
 * A linear mapping of all bands for each tile, fitted on one half of its patches and scored on the other, each half in turn:
 * the error that such mappings can reach, never a method. It corrects the linear mapping of all training pixels, which
 * stands alone where a tile has one patch.
 */
export const crossFittedLinear = makeModel({
  kind: 'cross-fitted-linear',
  settings: {
    ridge: z.number().positive().default(0.03).describe('How much the correction is held back.'),
  },
  joint: ({ data }) => jointShape(data.bands.length, 1),
  bound: 'cross-fitted',
  fit: ({ sums }) => {
    const all = normalEquations(sums.joint!, 1);
    return { global: solveNormal(all), typical: all.gram.map((value) => value / all.n) };
  },
  mapping: ({ global, typical }, tile, { settings, data }) => {
    const sums = targetOf(tile, 'cross-fitted-linear');
    const correction = sums
      ? linearCorrection(normalEquations(sums.joint!, 1), global, typical, settings.ridge)
      : null;
    return polynomialOf(
      correction ? global.map((value, i) => value + correction[i]) : global,
      1,
      data.bandMax,
    );
  },
});
