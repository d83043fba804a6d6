import { addRows, type ErrorSums, readSums, sumsPerBand, writeSums } from '../metrics/error-sums.js';
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

/** Sums of every bootstrap draw, [draws][channels]; a draw says how often each tile is in it, null is every tile once. */
export const pooledDraws = (
  { tiles, channels, values }: TileSums,
  draws: readonly (Uint16Array | null)[],
): ErrorSums[][] =>
  draws.map((draw) => {
    const times = draw ?? new Uint16Array(tiles).fill(1);
    return Array.from({ length: channels }, (_, channel) =>
      addRows(values, channel * sumsPerBand, channels * sumsPerBand, times),
    );
  });

/** A metric of every channel of each set of sums, [sets][channels]. */
export const scoresOf = (pooled: readonly ErrorSums[][], metric: Metric): Float64Array[] =>
  pooled.map((channels) => Float64Array.from(channels, (sums) => metricValue(metric, sums)));

/** A metric of every channel, pooled over each bootstrap draw, [draws][channels]. */
export const scoreDraws = (
  sums: TileSums,
  draws: readonly (Uint16Array | null)[],
  metric: Metric,
): Float64Array[] => scoresOf(pooledDraws(sums, draws), metric);

/** A metric of each tile by itself, [tiles][channels]. */
export const tileScores = ({ tiles, channels, values }: TileSums, metric: Metric): Float64Array[] => {
  const ofTile = (_: unknown, tile: number) =>
    Array.from({ length: channels }, (_, channel) =>
      readSums(values, (tile * channels + channel) * sumsPerBand),
    );
  return scoresOf(Array.from({ length: tiles }, ofTile), metric);
};
