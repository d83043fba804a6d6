import type { Mapping } from '../ops/mapping.js';
import type { Tensor } from './tensor-file.js';

/** A fitted mapping as tensors: `mapping.slope`, `mapping.intercept` (F64) or `mapping.lut` (F32, [bands, knots]). */
export const mappingTensors = (mapping: Mapping): Map<string, Tensor> => {
  if (mapping.form === 'lut')
    return new Map([
      ['mapping.lut', { dtype: 'F32', shape: [mapping.bandMax.length, mapping.knots], data: mapping.values }],
    ]);
  const bands = mapping.slope.length;
  return new Map([
    ['mapping.slope', { dtype: 'F64', shape: [bands], data: Float64Array.from(mapping.slope) }],
    ['mapping.intercept', { dtype: 'F64', shape: [bands], data: Float64Array.from(mapping.intercept) }],
  ]);
};
