/**
 * LUTs of all bands of one tile: `values[band·knots + k]`, stored units. Knot k stands at k·(bandMax−1)/(knots−1).
 * A value v is clipped to [0, bandMax−1], truncated to an integer and read by linear interpolation (paper code:
 * LUT interpolated to bandMax entries with aligned end points, then indexed).
 */
export interface Knots {
  form: 'lut';
  knots: number;
  bandMax: readonly number[];
  values: Float32Array;
}

/**
 * The conv module in evaluation mode, `out = y + ReLU(scale ∘ (weight ⋆ y) + shift)`, zero padding 1 at the image's
 * edge, batch norm folded in: scale = γ/√(var+ε), shift = β + (bias − mean)·scale.
 */
export interface ConvModule {
  bands: number;
  /** [out, in, 3, 3]. */
  weight: Float32Array;
  scale: Float32Array;
  shift: Float32Array;
}
