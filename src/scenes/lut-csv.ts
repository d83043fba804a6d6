import type { Mapping } from '../ops/mapping.js';

/**
 * The mapping that was applied, as CSV. A LUT: a line for each knot, `band,value,aligned`, linear in between, the
 * model's units; an affine mapping: `band,slope,intercept`.
 */
export const mappingCsv = (mapping: Mapping, names: readonly string[]): string => {
  const lines =
    mapping.form === 'affine'
      ? [
          'band,slope,intercept',
          ...names.map((name, band) => `${name},${mapping.slope[band]},${mapping.intercept[band]}`),
        ]
      : [
          'band,value,aligned',
          ...names.flatMap((name, band) =>
            Array.from({ length: mapping.knots }, (_, k) => {
              const value = (k * (mapping.bandMax[band] - 1)) / (mapping.knots - 1);
              return `${name},${value},${mapping.values[band * mapping.knots + k]}`;
            }),
          ),
        ];
  return `${lines.join('\n')}\n`;
};
