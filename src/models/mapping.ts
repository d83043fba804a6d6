import type { PatchPixels } from '../dataset/patch.js';
import { polynomialTerms } from '../dataset/polynomial-terms.js';
import { applyConv, type ConvModule } from '../engine/conv.js';
import { applyTables, expandKnots, type KnotTables } from '../engine/lut.js';
import { pixelsPerCall } from '../metrics/error-sums.js';

/**
 * LUTs of all bands of one tile. A value v is clipped to [0, bandMax − 1], truncated to an integer and read by linear
 * interpolation (the original program's LUT, interpolated to bandMax entries with aligned end points, then indexed).
 */
export interface Knots extends KnotTables {
  form: 'lut';
}

/** `slope·v + intercept` per band, v unclipped. Identity is slope 1, intercept 0. */
export interface Affine {
  form: 'affine';
  slope: readonly number[];
  intercept: readonly number[];
}

/**
 * Every target band a polynomial of all source bands. With x = v/scale, band b becomes
 * Σ coefficients[b·terms + t]·xᵗ over the terms of {@link polynomialTerms}.
 */
export interface Polynomial {
  form: 'polynomial';
  /** Highest total degree of a term. */
  degree: 1 | 2 | 3;
  bands: number;
  /** What each source band is divided by, such as its bandMax, so that powers stay near 1. */
  scale: readonly number[];
  /** Values are clipped to [0, max] of their band first: beyond those that it was fitted on a cubic runs away. */
  max?: readonly number[];
  /** Stored units, [bands · terms]. */
  coefficients: Float64Array;
}

/** The error that a model expects of a tile, RMSE of each band in stored units; 95 % of tiles lie between low and high. */
export interface ExpectedError {
  rmse: readonly number[];
  low: readonly number[];
  high: readonly number[];
}

/** What a fitted model does to the pixels of one tile, the conv module aside; with its error, where the model knows one. */
export type Mapping = (Knots | Affine | Polynomial) & { expected?: ExpectedError };

/** The LUTs of each band, [knots] each, as one mapping. */
export const lutOfBands = (bands: readonly ArrayLike<number>[], bandMax: readonly number[]): Knots => {
  const knots = bands[0].length;
  const values = new Float32Array(bands.length * knots);
  for (const [band, lut] of bands.entries()) values.set(lut, band * knots);
  return { form: 'lut', knots, bandMax, values };
};

/** Source bands, and target bands, of a mapping. */
export const bandsOf = (mapping: Mapping): number =>
  mapping.form === 'lut'
    ? mapping.bandMax.length
    : mapping.form === 'affine'
      ? mapping.slope.length
      : mapping.bands;

/** Numbers that a mapping is made of: knots, slopes and intercepts, coefficients. */
export const valuesIn = (mapping: Mapping): number =>
  mapping.form === 'lut'
    ? mapping.values.length
    : mapping.form === 'affine'
      ? 2 * mapping.slope.length
      : mapping.coefficients.length;

type Pixels = Int16Array | Uint16Array | Float32Array;
type Mapped = Float32Array | Float64Array;

const applyLine = (
  slope: number,
  intercept: number,
  source: Pixels,
  from: number,
  to: number,
  out: Mapped,
): void => {
  for (let i = from; i < to; i++) out[i] = slope * source[i] + intercept;
};

/** A polynomial made ready: each term but the constant is an earlier one times a band. */
interface Compiled {
  bands: number;
  terms: number;
  earlier: Uint8Array;
  band: Uint8Array;
  scale: Float64Array;
  /** Ends of the values that are taken as they are. */
  low: Float64Array;
  high: Float64Array;
  coefficients: Float64Array;
  /** Of one pixel: the bands divided by their scales, and the terms. */
  x: Float64Array;
  values: Float64Array;
}

const compilePolynomial = ({ bands, degree, scale, max, coefficients }: Polynomial): Compiled => {
  const terms = polynomialTerms(bands, degree);
  const at = new Map(terms.map((term, t) => [term.join(), t]));
  return {
    bands,
    terms: terms.length,
    earlier: Uint8Array.from(terms, (term) => at.get(term.slice(0, -1).join())!),
    band: Uint8Array.from(terms, (term) => term.at(-1) ?? 0),
    scale: Float64Array.from(scale),
    low: new Float64Array(bands).fill(max ? 0 : Number.NEGATIVE_INFINITY),
    high: max ? Float64Array.from(max) : new Float64Array(bands).fill(Number.POSITIVE_INFINITY),
    coefficients,
    x: new Float64Array(bands),
    values: new Float64Array(terms.length),
  };
};

const applyTerms = (
  { bands, terms, earlier, band, scale, low, high, coefficients, x, values }: Compiled,
  source: Pixels,
  pixelsPerBand: number,
  from: number,
  to: number,
  out: Mapped,
): void => {
  values[0] = 1;
  for (let i = from; i < to; i++) {
    for (let b = 0; b < bands; b++) {
      const value = source[b * pixelsPerBand + i];
      x[b] = (value < low[b] ? low[b] : value > high[b] ? high[b] : value) / scale[b];
    }
    for (let t = 1; t < terms; t++) values[t] = values[earlier[t]] * x[band[t]];
    for (let b = 0; b < bands; b++) {
      let sum = 0;
      for (let t = 0; t < terms; t++) sum += coefficients[b * terms + t] * values[t];
      out[b * pixelsPerBand + i] = sum;
    }
  }
};

/** A mapping made ready to be applied to many windows of pixels; `source` and `out` are [bands · pixelsPerBand]. */
export type CompiledMapping = (source: Pixels, pixelsPerBand: number, out: Mapped) => void;

/**
 * Makes a mapping ready. A LUT clips to [0, bandMax − 1], truncates and interpolates in float32; a polynomial clips to
 * its `max`, a line takes values as they are, and both compute in float64. NaN stays NaN.
 */
export const compileMapping = (mapping: Mapping): CompiledMapping => {
  if (mapping.form === 'lut') {
    const tables = expandKnots(mapping);
    // float32 values, whatever they are written to
    return (source, pixelsPerBand, out) => applyTables(tables, source, pixelsPerBand, out as Float32Array);
  }
  if (mapping.form === 'affine')
    return (source, pixelsPerBand, out) => {
      for (const [band, slope] of mapping.slope.entries())
        for (let from = band * pixelsPerBand; from < (band + 1) * pixelsPerBand; from += pixelsPerCall) {
          const to = Math.min(from + pixelsPerCall, (band + 1) * pixelsPerBand);
          applyLine(slope, mapping.intercept[band], source, from, to, out);
        }
    };
  const compiled = compilePolynomial(mapping);
  return (source, pixelsPerBand, out) => {
    for (let from = 0; from < pixelsPerBand; from += pixelsPerCall)
      applyTerms(compiled, source, pixelsPerBand, from, Math.min(from + pixelsPerCall, pixelsPerBand), out);
  };
};

/**
 * What a mapping makes of pixels, the conv module aside (see {@link compileMapping}).
 *
 * @param source stored units, band by band: [bands · pixelsPerBand]
 * @param out the same layout, stored units
 */
export const applyMapping = (mapping: Mapping, source: Pixels, pixelsPerBand: number, out: Mapped): void =>
  compileMapping(mapping)(source, pixelsPerBand, out);

/**
 * Aligns the pixels of tile after tile: `pixelAligner(conv)(mapping)(pixels)`. What it returns, stored units,
 * [bands, height, width], masked pixels too, holds until the next call: buffers are reused while the size stays, whatever
 * the tile. New ones for each of hundreds of tiles had V8 collect garbage several times a second.
 */
export const pixelAligner = (conv: ConvModule | null) => {
  let float32 = new Float32Array(0);
  let float64 = new Float64Array(0);
  let convolved = new Float32Array(0);
  return (mapping: Mapping) => {
    const apply = compileMapping(mapping);
    return ({
      source,
      width,
      height,
    }: Pick<PatchPixels, 'source' | 'width' | 'height'>): Float32Array | Float64Array => {
      const size = source.length;
      if (mapping.form !== 'lut' && !conv) {
        // float64: a line's error is compared with its closed form to nine digits
        if (float64.length !== size) float64 = new Float64Array(size);
        apply(source, width * height, float64);
        return float64;
      }
      if (float32.length !== size) float32 = new Float32Array(size);
      apply(source, width * height, float32);
      if (!conv) return float32;
      if (convolved.length !== size) convolved = new Float32Array(size);
      applyConv(conv, float32, width, height, convolved);
      return convolved;
    };
  };
};

/**
 * The source image of a patch, aligned: its tile's mapping, then the conv module, if there is one.
 *
 * @returns stored units, [bands, height, width], masked pixels too
 */
export const alignPixels = (mapping: Mapping, conv: ConvModule | null, pixels: PatchPixels): Float32Array => {
  const aligned = pixelAligner(conv)(mapping)(pixels);
  return aligned instanceof Float32Array ? aligned : Float32Array.from(aligned);
};
