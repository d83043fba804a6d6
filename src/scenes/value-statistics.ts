/** What a histogram of single values tells, the model's units. NaN where there are no pixels. */
export interface ValueStatistics {
  n: number;
  mean: number;
  sd: number;
  min: number;
  max: number;
  /** 1, 5, 25, 50, 75, 95 and 99 %. */
  percentiles: Record<string, number>;
  /** Share below 0 and above the last value that the LUT has, bandMax − 1. */
  below: number;
  above: number;
}

const shares = [1, 5, 25, 50, 75, 95, 99];

/** Statistics of values that occur `counts` times each. */
export const valueStatistics = (
  counts: Float64Array,
  values: ArrayLike<number>,
  bandMax: number,
): ValueStatistics => {
  const seen = [...counts.keys()].filter((code) => counts[code] > 0).sort((a, b) => values[a] - values[b]);
  let [n, sum, below, above] = [0, 0, 0, 0];
  for (const code of seen) {
    n += counts[code];
    sum += counts[code] * values[code];
    if (values[code] < 0) below += counts[code];
    if (values[code] > bandMax - 1) above += counts[code];
  }
  const mean = sum / n;
  const variance = seen.reduce((total, code) => total + counts[code] * (values[code] - mean) ** 2, 0) / n;
  const percentiles: Record<string, number> = {};
  let [at, cumulative] = [0, 0];
  for (const share of shares) {
    while (at < seen.length && cumulative + counts[seen[at]] < (share / 100) * n)
      cumulative += counts[seen[at++]];
    percentiles[`p${share}`] = n === 0 ? Number.NaN : values[seen[Math.min(at, seen.length - 1)]];
  }
  return {
    n,
    mean,
    sd: Math.sqrt(variance),
    min: n === 0 ? Number.NaN : values[seen[0]],
    max: n === 0 ? Number.NaN : values[seen[seen.length - 1]],
    percentiles,
    below: below / n,
    above: above / n,
  };
};
