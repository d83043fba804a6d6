import { jointShape } from '../dataset/joint-statistics.js';
import { normalEquations, polynomialOf, solveNormal } from './joint-fit.js';
import { makeModel, z } from './model.js';

/**
 * Every target band a polynomial of all source bands, the same for every tile: least squares over all training pixels, from
 * their moments. Cross-band regression is what harmonisation of sensors commonly uses.
 */
export const multiBand = makeModel({
  kind: 'multi-band',
  settings: {
    degree: z
      .union([z.literal(1), z.literal(2), z.literal(3)])
      .default(3)
      .describe('Highest total degree of a term: 5, 15, 35 coefficients a band for four bands.'),
  },
  joint: ({ settings, data }) => jointShape(data.bands.length, settings.degree),
  fit: ({ settings, data, sums }) =>
    polynomialOf(solveNormal(normalEquations(sums.joint!, settings.degree)), settings.degree, data.bandMax),
});
