import type { ErrorSums } from './metrics.js';
import type { TileRecord } from './tile-record.js';

/** Numbers kept of each band (and NDVI) of a tile: n, Σe², Σ|e|, Σe, Σt, Σt². */
const kept = 6;

/** RMSE, R², MAE and bias of bands, NDVI last where there is one. */
export const scoreNames = ['rmse', 'r2', 'mae', 'bias'] as const;
export type ScoreName = (typeof scoreNames)[number];

/** The error sums of tiles as one flat array, so that thousands of bootstrap draws cost little. */
export interface TileSums {
  tiles: number;
  /** Bands, NDVI counted as one more where there is one. */
  channels: number;
  hasIndex: boolean;
  /** [tiles · channels · 6]. */
  values: Float64Array;
}

/** Flattens per-tile records; all must have NDVI for it to be kept. */
export const tileSums = (records: readonly TileRecord[]): TileSums => {
  const bands = records[0]?.bands.length ?? 0;
  const hasIndex = records.length > 0 && records.every(({ ndvi }) => ndvi !== null);
  const channels = bands + (hasIndex ? 1 : 0);
  const values = new Float64Array(records.length * channels * kept);
  let at = 0;
  const put = ({ n, squared, absolute, error, target, targetSquared }: ErrorSums): void => {
    for (const value of [n, squared, absolute, error, target, targetSquared]) values[at++] = value;
  };
  for (const { bands, ndvi } of records) {
    for (const sums of bands) put(sums);
    if (hasIndex && ndvi) put(ndvi);
  }
  return { tiles: records.length, channels, hasIndex, values };
};

const scoreOf = (pooled: Float64Array, channel: number, name: ScoreName): number => {
  const at = channel * kept;
  const [n, squared, absolute] = [pooled[at], pooled[at + 1], pooled[at + 2]];
  const [error, target, targetSquared] = [pooled[at + 3], pooled[at + 4], pooled[at + 5]];
  switch (name) {
    case 'rmse':
      return Math.sqrt(squared / n);
    case 'r2':
      return 1 - squared / (targetSquared - (target * target) / n);
    case 'mae':
      return absolute / n;
    default:
      return error / n;
  }
};

/** Sums over tiles, each as often as `times` says; default once. */
export const poolSums = (
  { tiles, channels, values }: TileSums,
  times: ArrayLike<number> | null,
  into = new Float64Array(channels * kept),
): Float64Array => {
  into.fill(0);
  const width = channels * kept;
  for (let tile = 0, at = 0; tile < tiles; tile++) {
    const weight = times === null ? 1 : times[tile];
    if (weight === 0) {
      at += width;
      continue;
    }
    for (let k = 0; k < width; k++) into[k] += weight * values[at++];
  }
  return into;
};

/** Sums under every bootstrap draw, [draws][channels · 6]; a draw of null is every tile once. */
export const pooledDraws = (sums: TileSums, draws: readonly (ArrayLike<number> | null)[]): Float64Array[] =>
  draws.map((times) => poolSums(sums, times));

/** A score of every channel of each set of sums, [sets][channels]. */
export const scoresOf = (pooled: readonly Float64Array[], name: ScoreName): Float64Array[] =>
  pooled.map((sums) =>
    Float64Array.from({ length: sums.length / kept }, (_, channel) => scoreOf(sums, channel, name)),
  );

/**
 * A pooled score of every channel under every bootstrap draw, [draws][channels].
 * @param draws how often each tile is drawn; null is every tile once
 */
export const scoreDraws = (
  sums: TileSums,
  draws: readonly (ArrayLike<number> | null)[],
  name: ScoreName,
): Float64Array[] => scoresOf(pooledDraws(sums, draws), name);

/** A score of each tile by itself, [tiles][channels]. */
export const tileScores = (sums: TileSums, name: ScoreName): Float64Array[] => {
  const width = sums.channels * kept;
  return Array.from({ length: sums.tiles }, (_, tile) => {
    const own = sums.values.subarray(tile * width, (tile + 1) * width);
    return Float64Array.from({ length: sums.channels }, (_, channel) => scoreOf(own, channel, name));
  });
};
