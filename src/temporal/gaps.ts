import { quantile } from '../quantile.js';
import { dayText, type Period } from './days.js';

/** Quantiles that {@link GapStatistics} gives. */
export const gapQuantiles = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99] as const;

/** What the gaps of a series look like; lengths in days, null where there are too few gaps to say. */
export interface GapStatistics {
  count: number;
  min: number | null;
  mean: number | null;
  median: number | null;
  max: number | null;
  /** Sample standard deviation (n − 1); null under two gaps. */
  std: number | null;
  /** By {@link gapQuantiles}: linear interpolation between order statistics (type 7 of Hyndman & Fan). */
  quantiles: (number | null)[];
  /** The longest gap, the earliest of equals: dates of the observations (or the period's edge) that bound it. */
  longest: { from: string; to: string; days: number } | null;
}

/** Lengths of the gaps between consecutive days; `days` ascending without repetition. */
export const gapsBetween = (days: ArrayLike<number>): Float64Array => {
  const gaps = new Float64Array(Math.max(0, days.length - 1));
  for (let index = 0; index < gaps.length; index++) gaps[index] = days[index + 1] - days[index];
  return gaps;
};

/**
 * The days with the period's first and last day as boundaries (FORCE's convention: an interval that begins or ends
 * in a gap has that part of the gap). An observation on the first or last day *is* the boundary: no gap of 0 days.
 */
export const withEdges = (days: ArrayLike<number>, { from, to }: Period): number[] => {
  const all = Array.from(days);
  if (all[0] !== from) all.unshift(from);
  if (all[all.length - 1] !== to) all.push(to);
  return all;
};

/** Statistics of the gaps between consecutive `days` (ascending, distinct). */
export const gapStatistics = (days: ArrayLike<number>): GapStatistics => {
  const gaps = gapsBetween(days);
  const count = gaps.length;
  if (count === 0) {
    const none = { min: null, mean: null, median: null, max: null, std: null, longest: null };
    return { count, ...none, quantiles: gapQuantiles.map(() => null) };
  }
  const sorted = gaps.slice().sort();
  const mean = (days[days.length - 1] - days[0]) / count;
  const squares = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0);
  const at = gaps.indexOf(sorted[count - 1]);
  return {
    count,
    min: sorted[0],
    mean,
    median: quantile(sorted, 0.5),
    max: sorted[count - 1],
    std: count > 1 ? Math.sqrt(squares / (count - 1)) : null,
    quantiles: gapQuantiles.map((share) => quantile(sorted, share)),
    longest: { from: dayText(days[at]), to: dayText(days[at + 1]), days: gaps[at] },
  };
};
