/** Sums over the valid pixels of one band that its metrics are computed from; they add up over patches and tiles. */
export interface ErrorSums {
  /** Valid pixels. */
  n: number;
  /** Σ(prediction − target), its square and absolute value. */
  error: number;
  squared: number;
  absolute: number;
  /** Σ target and Σ target². */
  target: number;
  targetSquared: number;
}

/** RMSE, MAE, bias in the unit of the data (reflectance × 10 000 for bands, none for NDVI); R² = 1 − SSE/SST. */
export interface Metrics {
  n: number;
  rmse: number;
  r2: number;
  mae: number;
  bias: number;
}

export const noErrors = (): ErrorSums => ({
  n: 0,
  error: 0,
  squared: 0,
  absolute: 0,
  target: 0,
  targetSquared: 0,
});

/** Adds `more` to `sums` in place. */
export const addErrors = (sums: ErrorSums, more: ErrorSums): ErrorSums => {
  sums.n += more.n;
  sums.error += more.error;
  sums.squared += more.squared;
  sums.absolute += more.absolute;
  sums.target += more.target;
  sums.targetSquared += more.targetSquared;
  return sums;
};

/** Pooled metrics (the original's metric.py: R² over all pixels, not a mean over images). NaN where n is 0. */
export const metricsOf = ({ n, error, squared, absolute, target, targetSquared }: ErrorSums): Metrics => ({
  n,
  rmse: Math.sqrt(squared / n),
  r2: 1 - squared / (targetSquared - (target * target) / n),
  mae: absolute / n,
  bias: error / n,
});
