import { polynomialTerms } from '../dataset/polynomial-terms.js';
import type { Mapping } from './mapping.js';
import type { Tensor } from './tensor-file.js';
import { doubles, tensorReader } from './tensor-values.js';

/**
 * A mapping as the tensors of a weights file: `mapping.lut` (F32, [bands, knots]); `mapping.slope` and `mapping.intercept`
 * (F64, [bands]); or `mapping.coefficients` (F64, [bands, terms]), `mapping.scale` and, if it clips, `mapping.max` (F64, [bands]) of a polynomial.
 */
export const mappingTensors = (mapping: Mapping): Map<string, Tensor> => {
  switch (mapping.form) {
    case 'lut': {
      const shape = [mapping.bandMax.length, mapping.knots];
      return new Map([['mapping.lut', { dtype: 'F32', shape, data: mapping.values }]]);
    }
    case 'affine': {
      const bands = mapping.slope.length;
      return new Map([
        ['mapping.slope', doubles(mapping.slope, bands)],
        ['mapping.intercept', doubles(mapping.intercept, bands)],
      ]);
    }
    case 'polynomial': {
      const { coefficients, scale, max } = mapping;
      const bands = scale.length;
      return new Map([
        ['mapping.coefficients', doubles(coefficients, bands, coefficients.length / bands)],
        ['mapping.scale', doubles(scale, bands)],
        ...(max ? ([['mapping.max', doubles(max, bands)]] as const) : []),
      ]);
    }
  }
};

/** The degree of a polynomial of `bands` variables with so many terms. */
const degreeOf = (terms: number, bands: number): 1 | 2 | 3 | null =>
  ([1, 2, 3] as const).find((degree) => polynomialTerms(bands, degree).length === terms) ?? null;

/**
 * Reads back {@link mappingTensors}.
 *
 * @throws Fault that names every tensor that is missing, of another shape or type, or not finite
 */
export const readMapping = (
  tensors: ReadonlyMap<string, Tensor>,
  knots: number,
  bandMax: readonly number[],
): Mapping => {
  const bands = bandMax.length;
  const { read, check } = tensorReader(tensors);
  if (tensors.has('mapping.lut')) {
    const values = read('mapping.lut', 'F32', bands, knots);
    check();
    return { form: 'lut', knots, bandMax, values: Float32Array.from(values) };
  }
  if (tensors.has('mapping.coefficients')) {
    const coefficients = read('mapping.coefficients', 'F64', bands, null);
    const scale = read('mapping.scale', 'F64', bands);
    const max = tensors.has('mapping.max') ? read('mapping.max', 'F64', bands) : undefined;
    const terms = coefficients.length / bands;
    const degree = degreeOf(terms, bands);
    check(
      coefficients.length > 0 && !degree
        ? `weights: mapping.coefficients has ${terms} terms a band, which no polynomial of ${bands} bands has; is it of this model?`
        : null,
    );
    return {
      form: 'polynomial',
      degree: degree!,
      bands,
      scale: [...scale],
      ...(max && { max: [...max] }),
      coefficients,
    };
  }
  const [slope, intercept] = ['slope', 'intercept'].map((name) => read(`mapping.${name}`, 'F64', bands));
  check();
  return { form: 'affine', slope: [...slope], intercept: [...intercept] };
};
