/** n, Σx, Σy, Σx², Σxy, Σy² over valid pixels; x and y are neither clipped nor truncated. */
export interface Moments {
  n: number;
  x: number;
  y: number;
  xx: number;
  xy: number;
  yy: number;
}

/**
 * All that the squared error of a LUT on one band depends on: `SSE(L) = LᵀAL − 2bᵀL + c`, A tridiagonal.
 */
export interface BandStatistics {
  /** Valid pixels. */
  n: number;
  /** A[k,k], [K]. */
  diagonal: Float64Array;
  /** A[k,k+1], [K − 1]. */
  offDiagonal: Float64Array;
  /** b, [K]. */
  linear: Float64Array;
  /** c = Σy². */
  constant: number;
  moments: Moments;
}
