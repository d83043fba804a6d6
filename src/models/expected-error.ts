import { quantile } from '../quantile.js';
import {
  fitTileRegression,
  type KernelSettings,
  type LeftOut,
  predictTile,
  readRegression,
  regressionTensors,
  type TileRegression,
} from './kernel-regression.js';
import type { ExpectedError } from './mapping.js';
import type { ModelPatches, Tensors, Tile } from './model.js';
import { tensorReader } from './tensor-values.js';

/** A regression from a tile to the log of its RMSE in each band, and how far real errors lie from it. */
export interface ErrorRegression {
  log: TileRegression;
  /** Real over expected RMSE, 2.5 and 97.5 % of the validation tiles, [bands]. */
  low: Float64Array;
  high: Float64Array;
}

/** Tiles' errors are told apart by less than their mappings: candidates of ridge are larger. */
const settingsFor = ({ kernel, features, centres }: KernelSettings): KernelSettings => ({
  ...{ kernel, centres },
  // joint histograms are most of the work, and say nothing more of errors
  features: features.level + features.ratio > 0 ? { ...features, joint: 0 } : features,
  scale: [0.5],
  ridge: [0.3, 1, 3, 10],
});

/** RMSE of each band of a prediction that has not seen the tile. */
export interface TileErrors {
  val: ReadonlyMap<string, readonly number[]>;
  train: readonly { index: number; rmse: readonly number[] }[];
}

/** No tile is without error: a log of 0 would be. */
const least = 1e-3;

/**
 * Learns what error to expect of a tile: kernel ridge regression from what it looks like to the log of the RMSE that a
 * prediction without its tile had on each training patch. The interval is calibrated by the ratios of real and expected
 * errors on the validation list: 95 % of them lie in it.
 */
export const fitErrorRegression = (
  patches: ModelPatches,
  bands: number,
  settings: KernelSettings,
  { val, train }: TileErrors,
): ErrorRegression => {
  const some = {
    ...patches,
    rows: { ...patches.rows, train: train.map(({ index }) => patches.rows.train[index]) },
  };
  const logs = Array.from({ length: bands }, (_, b) =>
    Float64Array.from(train, ({ rmse }) => Math.log(Math.max(least, rmse[b]))),
  );
  const logOf = (tile: string, b: number): number => Math.log(Math.max(least, val.get(tile)![b]));
  const { regression, leftOut } = fitTileRegression(
    some,
    bands,
    settingsFor(settings),
    [logs],
    (tile, [predicted], b) => (predicted - logOf(tile, b)) ** 2,
  );
  const predicted: LeftOut['val'] = leftOut().val;
  const ratios = Array.from({ length: bands }, (_, b) =>
    Float64Array.from(predicted, ([tile, parts]) => Math.exp(logOf(tile, b) - parts[b][0])).sort(),
  );
  const ends = (fraction: number): Float64Array =>
    Float64Array.from(ratios, (own) => quantile(own, fraction));
  return { log: regression, low: ends(0.025), high: ends(0.975) };
};

/** The error to expect of a tile. */
export const expectedErrorOf = ({ log, low, high }: ErrorRegression, tile: Tile): ExpectedError => {
  const rmse = [...predictTile(log, tile)].map(Math.exp);
  return {
    rmse,
    low: rmse.map((value, b) => value * low[b]),
    high: rmse.map((value, b) => value * high[b]),
  };
};

/** As tensors: those of the regression, called `error.…`, `error.low` and `error.high` (F64, [bands]). */
export const errorTensors = ({ log, low, high }: ErrorRegression): Tensors =>
  new Map([
    ...regressionTensors(log, 'error'),
    ['error.low', { dtype: 'F64', shape: [low.length], data: low }],
    ['error.high', { dtype: 'F64', shape: [high.length], data: high }],
  ]);

/** Reads back {@link errorTensors}. @throws Fault that names every tensor that is not as it should be */
export const readErrorRegression = (
  tensors: Tensors,
  settings: KernelSettings,
  bands: number,
): ErrorRegression => {
  const { read, check } = tensorReader(tensors);
  const [low, high] = [read('error.low', 'F64', bands), read('error.high', 'F64', bands)];
  check();
  return { log: readRegression(tensors, settings, bands, Array(bands).fill(1), 'error'), low, high };
};
