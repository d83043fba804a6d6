import { bandsOf, type Mapping } from '../models/mapping.js';
import type { Tensor } from './tensor-file.js';

/**
 * A fitted mapping as tensors: `mapping.lut` (F32, [bands, knots]); `mapping.slope`, `mapping.intercept` (F64); or
 * `mapping.scale`, `mapping.coefficients` (F64, [bands, terms]).
 */
export const mappingTensors = (mapping: Mapping): Map<string, Tensor> => {
  if (mapping.form === 'lut')
    return new Map([
      ['mapping.lut', { dtype: 'F32', shape: [mapping.bandMax.length, mapping.knots], data: mapping.values }],
    ]);
  const bands = bandsOf(mapping);
  if (mapping.form === 'polynomial') {
    const { scale, coefficients } = mapping;
    return new Map([
      ['mapping.scale', { dtype: 'F64', shape: [bands], data: Float64Array.from(scale) }],
      [
        'mapping.coefficients',
        { dtype: 'F64', shape: [bands, coefficients.length / bands], data: coefficients },
      ],
    ]);
  }
  return new Map([
    ['mapping.slope', { dtype: 'F64', shape: [bands], data: Float64Array.from(mapping.slope) }],
    ['mapping.intercept', { dtype: 'F64', shape: [bands], data: Float64Array.from(mapping.intercept) }],
  ]);
};
