import { seededRandom } from '../config/random.js';
import { quantile } from '../quantile.js';

/** An estimate with a percentile interval. */
export interface Interval {
  value: number;
  low: number;
  high: number;
}

export interface BootstrapOptions {
  /** @default 1000 */
  draws?: number;
  /** @default 2022 */
  seed?: number;
  /** @default 0.95 */
  level?: number;
}

/**
 * Bootstrap over tiles: `estimate` of all tiles, and the percentile interval of its values over resampled tiles
 * (Efron 1979). Tiles are drawn whole, as acquisitions of one tile are not independent. With one tile, or where
 * the estimate is not finite, the interval is NaN: there is nothing to resample.
 * `estimate` gets how often each of the `tiles` is drawn.
 */
export const bootstrapTiles = (
  tiles: number,
  estimates: readonly ((weight: ArrayLike<number>) => number)[],
  { draws = 1000, seed = 2022, level = 0.95 }: BootstrapOptions = {},
): Interval[] => {
  const values = estimates.map((estimate) => estimate(new Uint16Array(tiles).fill(1)));
  if (tiles < 2) return values.map((value) => ({ value, low: Number.NaN, high: Number.NaN }));
  const random = seededRandom(seed, 'bootstrap over tiles');
  const samples = estimates.map(() => [] as number[]);
  const weight = new Uint16Array(tiles);
  for (let draw = 0; draw < draws; draw++) {
    weight.fill(0);
    for (let index = 0; index < tiles; index++) weight[random.integer(tiles)] += 1;
    estimates.forEach((estimate, index) => {
      const value = estimate(weight);
      if (Number.isFinite(value)) samples[index].push(value);
    });
  }
  return values.map((value, index) => {
    const sorted = Float64Array.from(samples[index]).sort();
    if (sorted.length === 0 || !Number.isFinite(value)) return { value, low: Number.NaN, high: Number.NaN };
    return {
      value,
      low: quantile(sorted, (1 - level) / 2),
      high: quantile(sorted, (1 + level) / 2),
    };
  });
};
