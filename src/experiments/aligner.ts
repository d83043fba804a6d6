import type { ConvModule } from '../engine/conv.js';
import type { Mapping } from '../models/mapping.js';
import type { Tile } from '../models/model.js';
import type { Experiment } from './experiment.js';

/** What training saw, kept with the weights so that a new tile can be compared with it. */
export interface TrainingDomain {
  /** Mean L1-normalised source histogram of the training tiles, [bands·bins]. */
  meanHistogram: Float32Array;
  /**
   * Distances of each training tile's histogram from that mean, sorted, [bands][tiles]: earth mover's distance in
   * stored units (area between the two cumulative histograms).
   */
  distances: readonly Float32Array[];
}

/** Residuals (prediction − target) of the validation set by source value: bins as the histogram's, [bands·bins]. */
export interface ValueResiduals {
  count: Float64Array;
  /** Stored units; NaN where `count` is 0. */
  rmse: Float32Array;
  bias: Float32Array;
}

/** A fitted model, ready to align tiles. */
export interface Aligner {
  experiment: Experiment;
  /** SHA-256 of the weights file, hexadecimal. */
  weightsDigest: string;
  /** The mapping of a tile, from what its source pixels say of it. */
  mapping(tile: Tile): Promise<Mapping>;
  /** The conv module behind the LUT, in evaluation mode; null without one. */
  conv: ConvModule | null;
  /** Null where the weights carry none (the original's .pth). */
  domain: TrainingDomain | null;
  residuals: ValueResiduals | null;
}
