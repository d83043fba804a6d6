import { polynomialTerms } from '../dataset/polynomial-terms.js';
import { Fault } from '../fault.js';
import type { Mapping } from './mapping.js';
import type { Tensor } from './tensor-file.js';

const doubles = (values: ArrayLike<number>, ...shape: number[]): Tensor => ({
  dtype: 'F64',
  shape,
  data: Float64Array.from(values),
});

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
  const faults: string[] = [];
  const read = <D extends 'F32' | 'F64'>(name: string, dtype: D, ...shape: (number | null)[]) => {
    const tensor = tensors.get(name);
    const text = `[${shape.map((size) => size ?? '…').join(', ')}] ${dtype}`;
    if (!tensor) faults.push(`weights: lacks ${name}, ${text}; is it of this model?`);
    else if (
      tensor.dtype !== dtype ||
      tensor.shape.length !== shape.length ||
      !shape.every((size, axis) => size === null || size === tensor.shape[axis])
    )
      faults.push(
        `weights: ${name} is [${tensor.shape.join(', ')}] ${tensor.dtype}, not ${text}; is it of this model?`,
      );
    else {
      const data = tensor.data as D extends 'F32' ? Float32Array : Float64Array;
      if (data.every(Number.isFinite)) return data;
      faults.push(`weights: NaN or infinity in ${name}; fit it again`);
    }
    return null;
  };
  if (tensors.has('mapping.lut')) {
    const values = read('mapping.lut', 'F32', bands, knots);
    if (values) return { form: 'lut', knots, bandMax, values };
  } else if (tensors.has('mapping.coefficients')) {
    const [coefficients, scale] = [
      read('mapping.coefficients', 'F64', bands, null),
      read('mapping.scale', 'F64', bands),
    ];
    const degree = coefficients && degreeOf(coefficients.length / bands, bands);
    const max = tensors.has('mapping.max') ? read('mapping.max', 'F64', bands) : undefined;
    if (coefficients && scale && degree && max !== null)
      return {
        form: 'polynomial',
        degree,
        bands,
        scale: [...scale],
        ...(max && { max: [...max] }),
        coefficients,
      };
    if (coefficients && !degree)
      faults.push(
        `weights: mapping.coefficients has ${coefficients.length / bands} terms a band, which no polynomial of ${bands} bands has; is it of this model?`,
      );
  } else {
    const [slope, intercept] = ['slope', 'intercept'].map((name) => read(`mapping.${name}`, 'F64', bands));
    if (slope && intercept) return { form: 'affine', slope: [...slope], intercept: [...intercept] };
  }
  throw new Fault(faults);
};
