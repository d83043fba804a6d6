import { polynomialTerms } from '../dataset/polynomial-terms.js';
import type { Mapping } from '../models/mapping.js';

/**
 * The mapping that was applied, as CSV, in the model's units. A LUT: a line for each knot, `band,value,aligned`, linear in
 * between; lines: `band,slope,intercept`; polynomials: `band,term,coefficient`, a term being `1` or a product of bands such as
 * `red*nir`, the aligned value the sum of coefficient times term.
 */
export const mappingCsv = (mapping: Mapping, names: readonly string[]): string => {
  const lines = (): string[] => {
    switch (mapping.form) {
      case 'lut':
        return [
          'band,value,aligned',
          ...names.flatMap((name, band) =>
            Array.from({ length: mapping.knots }, (_, k) => {
              const value = (k * (mapping.bandMax[band] - 1)) / (mapping.knots - 1);
              return `${name},${value},${mapping.values[band * mapping.knots + k]}`;
            }),
          ),
        ];
      case 'affine':
        return [
          'band,slope,intercept',
          ...names.map((name, band) => `${name},${mapping.slope[band]},${mapping.intercept[band]}`),
        ];
      case 'polynomial': {
        const { bands, degree, scale, coefficients } = mapping;
        const terms = polynomialTerms(bands, degree);
        return [
          'band,term,coefficient',
          ...names.flatMap((name, band) =>
            terms.map((term, t) => {
              const divisor = term.reduce((product, of) => product * scale[of], 1);
              const product = term.map((of) => names[of]).join('*') || '1';
              return `${name},${product},${coefficients[band * terms.length + t] / divisor}`;
            }),
          ),
        ];
      }
    }
  };
  return `${lines().join('\n')}\n`;
};
