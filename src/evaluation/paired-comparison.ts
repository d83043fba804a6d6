import { type Interval, percentileInterval } from './bootstrap.js';
import { wilcoxonSignedRank } from './wilcoxon.js';

/** A model's score against the baseline's on the same tiles. */
export interface PairedDifference {
  /** Model − baseline. */
  difference: number;
  /** 95 % interval over bootstrap draws of tiles; null without draws. */
  interval: Interval | null;
  /** Two-sided, of the paired bootstrap; at least 2/(draws + 1), NaN without draws. */
  bootstrap: number;
  /** Two-sided, of Wilcoxon's signed-rank test on the tiles' own scores. */
  wilcoxon: number;
}

/** Two-sided p-value of draws of a difference: twice the smaller share on one side of 0, one draw added (Davison and Hinkley 1997, §4.2). */
export const bootstrapP = (draws: ArrayLike<number>): number => {
  let [below, above] = [0, 0];
  for (let i = 0; i < draws.length; i++) {
    if (draws[i] <= 0) below++;
    if (draws[i] >= 0) above++;
  }
  return Math.min(1, (2 * (1 + Math.min(below, above))) / (draws.length + 1));
};

/**
 * Compares a model with a baseline, paired: both saw the same bootstrap draws of the same tiles.
 *
 * @param model the model's score on all tiles, under each draw and on each tile by itself; NaN tiles are left out
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
