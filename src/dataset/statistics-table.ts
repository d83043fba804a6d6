import type { BandStatistics } from './statistics.js';

/**
 * Statistics of P patches × C bands with K knots in contiguous arrays, so that a training batch is a copy of rows.
 * Row r of an array of width w is `array.subarray(r·C·w, (r + 1)·C·w)`, band by band.
 *
 * A and b are **centred** at the identity LUT I (see {@link identityKnots}): with δ = L − I,
 * `SSE(L) = δᵀAδ − 2·linearᵀδ + constant`, gradient `2(Aδ − linear)`. Uncentred, float32 would lose the error
 * among terms that are thousands of times larger.
 */
export interface StatisticsTable {
  bands: number;
  knots: number;
  bins: number;
  bandMax: readonly number[];
  /** Patch id of each row; P = ids.length. */
  ids: readonly string[];
  /** Tile key (`tile_date`) of each row. */
  tiles: readonly string[];
  /** A's diagonal, [P·C·K]. */
  diagonal: Float32Array;
  /** A's off-diagonal, [P·C·K]: entry k couples knots k and k+1, the last is 0. */
  offDiagonal: Float32Array;
  /** b − A·I, [P·C·K]. */
  linear: Float32Array;
  /** SSE of the identity LUT, [P·C]. */
  constant: Float64Array;
  /** Valid pixels, [P·C]. */
  count: Float64Array;
  /** n, Σx, Σy, Σx², Σxy, Σy² of the unclipped values, [P·C·6]. */
  moments: Float64Array;
  /** Counts of source values in `bins` equal bins over [0, bandMax], [P·C·bins]. */
  sourceHistogram: Uint32Array;
  /** The same of target values, over the same bins. */
  targetHistogram: Uint32Array;
}

/** Knots of the LUT that changes nothing: k·(bandMax − 1)/(knots − 1), [knots]. */
export const identityKnots = (bandMax: number, knots: number): Float64Array =>
  Float64Array.from({ length: knots }, (_, k) => (k * (bandMax - 1)) / (knots - 1));

/** Sums of rows: uncentred statistics and histograms of each band. */
export interface SummedRows {
  bands: BandStatistics[];
  /** [bins] for each band. */
  sourceHistogram: Float64Array[];
  targetHistogram: Float64Array[];
}
