import { seededRandom } from '../config/random.js';
import { quantile } from '../quantile.js';
import { poolTiles, type Score, type TileRecord } from './tile-record.js';

/** A 95 % interval. */
export interface Interval {
  low: number;
  high: number;
}

/** Draws of the tables' intervals and p-values: with fewer, a p-value over a dozen rows cannot become small. */
export const defaultDraws = 10_000;

/** The 2.5 and 97.5 % quantiles of bootstrap draws. */
export const percentileInterval = (draws: ArrayLike<number>): Interval => {
  const sorted = Float64Array.from(draws).sort();
  return { low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
};

/**
 * How often each of `count` tiles is in each of `draws` bootstrap samples. The same seed gives the same draws: models that
 * are compared on the same tiles share them, so that differences are paired.
 */
export const tileDraws = (count: number, draws: number, seed = 2022): Uint16Array[] => {
  const random = seededRandom(seed, 'bootstrap', count);
  return Array.from({ length: draws }, () => {
    const times = new Uint16Array(count);
    for (let i = 0; i < count; i++) times[random.integer(count)]++;
    return times;
  });
};

/** 95 % bootstrap interval over tiles of any number that a pooled score gives. */
export const bootstrapScore = (
  tiles: readonly TileRecord[],
  statistic: (score: Score) => number,
  draws = 1000,
  seed?: number,
): Interval =>
  percentileInterval(tileDraws(tiles.length, draws, seed).map((times) => statistic(poolTiles(tiles, times))));
