import type { TrainingDomain } from '../experiments/aligner.js';
import { histogramInput } from '../models/histogram-input.js';
import { histogramDistance } from '../training/domain.js';

/** How far a tile's histogram is from those seen in training. */
export interface TileDistance {
  /** Earth mover's distance to the mean training histogram, stored units, for each band. */
  distance: number[];
  /** Largest such distance among the training tiles. */
  largestSeen: number[];
  /** Share of training tiles that are nearer. */
  rank: number[];
  far: boolean;
}

/** Compares a tile with training; null where the weights do not say what training saw. */
export const tileDistance = (
  histogram: Float64Array,
  domain: TrainingDomain | null,
  bandMax: readonly number[],
): TileDistance | null => {
  if (domain === null) return null;
  const bins = histogram.length / bandMax.length;
  const share = histogramInput(histogram, bandMax.length, 'share');
  const distance = bandMax.map((max, band) =>
    histogramDistance(share, domain.meanHistogram, band * bins, bins, max),
  );
  const largestSeen = domain.distances.map((seen) => (seen.length > 0 ? seen[seen.length - 1] : Number.NaN));
  const rank = domain.distances.map(
    (seen, band) => seen.filter((value) => value < distance[band]).length / Math.max(1, seen.length),
  );
  return { distance, largestSeen, rank, far: distance.some((value, band) => value > largestSeen[band]) };
};

const permutations = (count: number): number[][] =>
  count === 0
    ? [[]]
    : permutations(count - 1).flatMap((rest) =>
        Array.from({ length: count }, (_, at) => [...rest.slice(0, at), count - 1, ...rest.slice(at)]),
      );

/**
 * The order of bands under which the tile would look much more like training than as given: for each band the one
 * that seems to stand in its place; null where the given order is best, or by less than half of its distance.
 */
export const likelierOrder = (
  histogram: Float64Array,
  domain: TrainingDomain | null,
  bandMax: readonly number[],
): number[] | null => {
  const count = bandMax.length;
  if (domain === null || count < 2 || count > 6) return null;
  const bins = histogram.length / count;
  const share = histogramInput(histogram, count, 'share');
  // position within a band's range differs from band to band, so distances are taken in bins of the model's band
  const cost = bandMax.map((max, band) =>
    bandMax.map((sourceMax, source) => {
      const moved = new Float64Array(bins);
      for (let bin = 0; bin < bins; bin++) {
        const value = ((bin + 0.5) * sourceMax) / bins;
        moved[Math.min(bins - 1, Math.floor((value * bins) / max))] += share[source * bins + bin];
      }
      const seen = domain.meanHistogram.subarray(band * bins, (band + 1) * bins);
      return histogramDistance(moved, seen, 0, bins, max);
    }),
  );
  const total = (order: readonly number[]): number =>
    order.reduce((sum, source, band) => sum + cost[band][source], 0);
  const given = total(bandMax.map((_, band) => band));
  const best = permutations(count).reduce((a, b) => (total(b) < total(a) ? b : a));
  return total(best) < given / 2 ? best : null;
};
