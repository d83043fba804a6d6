import { type Patch, tileKey } from '../dataset/patch.js';
import type { TrainingDomain } from '../experiments/aligner.js';
import type { Experiment } from '../experiments/experiment.js';
import { histogramInput } from '../models/histogram-input.js';
import type { PreparedData } from './prepare-data.js';

/**
 * Earth mover's distance between two histograms of one band, stored units: the area between their cumulative shares.
 *
 * @param a, b L1-normalised, [bins] from `offset`
 */
export const histogramDistance = (
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  offset: number,
  bins: number,
  bandMax: number,
): number => {
  let [gap, area] = [0, 0];
  for (let bin = 0; bin < bins; bin++) {
    gap += a[offset + bin] - b[offset + bin];
    area += Math.abs(gap);
  }
  return (area * bandMax) / bins;
};

/** The histograms of the training tiles: their mean, and how far each lies from it. */
export const trainingDomain = (
  { data }: Experiment,
  prepared: PreparedData,
  patches: readonly Patch[],
): TrainingDomain => {
  const bands = data.bands.length;
  const shares = [...new Set(patches.map(tileKey))].map((tile) =>
    histogramInput(prepared.tileHistogram(tile), bands, 'share'),
  );
  const meanHistogram = new Float32Array(bands * data.bins);
  for (let i = 0; i < meanHistogram.length; i++)
    meanHistogram[i] = shares.reduce((sum, share) => sum + share[i], 0) / Math.max(1, shares.length);
  const distances = data.bandMax.map((max, band) =>
    Float32Array.from(shares, (share) =>
      histogramDistance(share, meanHistogram, band * data.bins, data.bins, max),
    ).sort(),
  );
  return { meanHistogram, distances };
};
