import { readSums, sumsPerBand, writeSums } from '../metrics/error-sums.js';
import { metricValue } from '../metrics/index.js';
import type { Metric } from '../metrics/metric.js';
import type { TileRecord } from './tile-record.js';

/** The error sums of tiles as one flat array, so that thousands of bootstrap draws cost little. */
export interface TileSums {
  tiles: number;
  /** Bands, and NDVI as one more where every tile has it. */
  channels: number;
  hasNdvi: boolean;
  /** [tiles · channels · sumsPerBand]. */
  values: Float64Array;
}

/** Flattens the records of tiles; NDVI comes last, where every tile has it. */
export const tileSums = (records: readonly TileRecord[]): TileSums => {
  const hasNdvi = records.length > 0 && records.every(({ ndvi }) => ndvi !== null);
  const channels = (records[0]?.bands.length ?? 0) + (hasNdvi ? 1 : 0);
  const values = new Float64Array(records.length * channels * sumsPerBand);
  let at = 0;
  for (const { bands, ndvi } of records)
    for (const sums of hasNdvi && ndvi ? [...bands, ndvi] : bands) {
      writeSums(sums, values, at);
      at += sumsPerBand;
    }
  return { tiles: records.length, channels, hasNdvi, values };
};

/** Sums over tiles, each as often as `times` says; null is every tile once. [channels · sumsPerBand]. */
const poolSums = ({ tiles, channels, values }: TileSums, times: ArrayLike<number> | null): Float64Array => {
  const width = channels * sumsPerBand;
  const pooled = new Float64Array(width);
  for (let tile = 0; tile < tiles; tile++) {
    const count = times === null ? 1 : times[tile];
    if (count === 0) continue;
    const at = tile * width;
    for (let k = 0; k < width; k++) pooled[k] += count * values[at + k];
  }
  return pooled;
};

/** Sums of every bootstrap draw, [draws][channels · sumsPerBand]; a draw of null is every tile once. */
export const pooledDraws = (sums: TileSums, draws: readonly (ArrayLike<number> | null)[]): Float64Array[] =>
  draws.map((times) => poolSums(sums, times));

/** A metric of every channel of each set of sums, [sets][channels]. */
export const scoresOf = (pooled: readonly Float64Array[], metric: Metric): Float64Array[] =>
  pooled.map((sums) =>
    Float64Array.from({ length: sums.length / sumsPerBand }, (_, channel) =>
      metricValue(metric, readSums(sums, channel * sumsPerBand)),
    ),
  );

/**
 * A metric of every channel, pooled over each bootstrap draw, [draws][channels].
 * @param draws how often each tile is drawn; null is every tile once
 */
export const scoreDraws = (
  sums: TileSums,
  draws: readonly (ArrayLike<number> | null)[],
  metric: Metric,
): Float64Array[] => scoresOf(pooledDraws(sums, draws), metric);

/** A metric of each tile by itself, [tiles][channels]. */
export const tileScores = ({ tiles, channels, values }: TileSums, metric: Metric): Float64Array[] => {
  const width = channels * sumsPerBand;
  const ofTile = (_: unknown, tile: number) => values.subarray(tile * width, (tile + 1) * width);
  return scoresOf(Array.from({ length: tiles }, ofTile), metric);
};
