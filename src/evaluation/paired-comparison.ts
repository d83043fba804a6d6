import { type Interval, percentileInterval } from './bootstrap.js';
import { wilcoxonSignedRank } from './wilcoxon.js';

/** How a model's score differs from the baseline's on the same tiles. */
export interface PairedDifference {
  /** Model − baseline. */
  difference: number;
  /** 95 % interval over bootstrap draws of tiles; null without draws. */
  interval: Interval | null;
  /** Two-sided p-value of the paired bootstrap; at least 2/(draws + 1), NaN without draws. */
  bootstrap: number;
  /** Two-sided p-value of Wilcoxon's signed-rank test on the tiles' own scores. */
  wilcoxon: number;
}

/**
 * Two-sided p-value of bootstrap draws of a difference: twice the proportion of draws on the rarer side of 0, one draw added
 * so that it is never 0 (Davison and Hinkley 1997, §4.2).
 */
export const bootstrapP = (draws: ArrayLike<number>): number => {
  let [below, above] = [0, 0];
  for (let i = 0; i < draws.length; i++) {
    if (draws[i] <= 0) below++;
    if (draws[i] >= 0) above++;
  }
  return Math.min(1, (2 * (1 + Math.min(below, above))) / (draws.length + 1));
};

/**
 * Compares a model with a baseline on the same tiles and the same bootstrap draws of them.
 *
 * @param model its score on all tiles, on each draw and on each tile by itself; tiles where it is NaN are left out
 */
export const pairedDifference = (
  model: { all: number; draws: ArrayLike<number>; tiles: ArrayLike<number> },
  baseline: { all: number; draws: ArrayLike<number>; tiles: ArrayLike<number> },
): PairedDifference => {
  const draws = Array.from(model.draws, (value, i) => value - baseline.draws[i]);
  const tiles = Array.from(model.tiles, (value, i) => value - baseline.tiles[i]).filter(Number.isFinite);
  return {
    difference: model.all - baseline.all,
    interval: draws.length > 0 ? percentileInterval(draws) : null,
    bootstrap: draws.length > 0 ? bootstrapP(draws) : Number.NaN,
    wilcoxon: wilcoxonSignedRank(tiles).p,
  };
};

/**
 * Holm's step-down correction (Holm 1979): rejecting the corrected p-values below α keeps the probability of any false
 * rejection below α. NaN, a test that was not made, stays NaN and is not counted.
 */
export const holm = (values: readonly number[]): number[] => {
  const order = values
    .map((_, i) => i)
    .filter((i) => !Number.isNaN(values[i]))
    .sort((a, b) => values[a] - values[b]);
  const corrected = values.map(() => Number.NaN);
  let largest = 0;
  for (const [rank, i] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (order.length - rank) * values[i]));
    corrected[i] = largest;
  }
  return corrected;
};
