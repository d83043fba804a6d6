/** Outcome of a signed-rank test. */
export interface SignedRank {
  /** Σ of the ranks of positive differences. */
  statistic: number;
  /** Differences that are not 0: those that are tested. */
  n: number;
  /** Two-sided; NaN where no difference is other than 0. */
  p: number;
  exact: boolean;
}

/** Up to this many untied differences the distribution is exact (as in R's wilcox.test). */
const mostExact = 49;

/** Ranks of absolute values from 1, ties averaged, and Σ(t³ − t) over groups of ties. */
const ranks = (values: readonly number[]): { rank: Float64Array; ties: number } => {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const rank = new Float64Array(values.length);
  let ties = 0;
  for (let from = 0; from < order.length; ) {
    let to = from + 1;
    while (to < order.length && values[order[to]] === values[order[from]]) to++;
    for (let i = from; i < to; i++) rank[order[i]] = (from + 1 + to) / 2;
    ties += (to - from) ** 3 - (to - from);
    from = to;
  }
  return { rank, ties };
};

/** P(V ≤ v) for n untied differences under the null hypothesis: every subset of the ranks 1…n is as likely, V is its sum. */
const exactBelow = (v: number, n: number): number => {
  const most = (n * (n + 1)) / 2;
  const chance = new Float64Array(most + 1);
  chance[0] = 1;
  for (let k = 1; k <= n; k++)
    for (let sum = most; sum >= 0; sum--) chance[sum] = (chance[sum] + (sum >= k ? chance[sum - k] : 0)) / 2;
  let below = 0;
  for (let sum = 0; sum <= Math.min(v, most); sum++) below += chance[sum];
  return below;
};

/** Upper tail of the standard normal distribution, relative error below 1.2e-7 (Numerical Recipes, erfcc). */
const normalAbove = (z: number): number => {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + x / 2);
  const series = [
    0.17087277, -0.82215223, 1.48851587, -1.13520398, 0.27886807, -0.18628806, 0.09678418, 0.37409196,
    1.00002368, -1.26551223,
  ].reduce((sum, c) => sum * t + c, 0);
  const upper = (t * Math.exp(-x * x + series)) / 2;
  return z >= 0 ? upper : 1 - upper;
};

/**
 * Wilcoxon's signed-rank test that differences are symmetric about 0 (Wilcoxon 1945): zeros left out, ties averaged. Exact
 * for fewer than 50 untied differences, else the normal approximation with corrections for ties and continuity, so that it
 * agrees with R's `wilcox.test` and SciPy's `wilcoxon(correction=True)`.
 */
export const wilcoxonSignedRank = (differences: readonly number[]): SignedRank => {
  const tested = differences.filter((d) => d !== 0 && !Number.isNaN(d));
  const n = tested.length;
  const hadZeros = n < differences.length;
  const { rank, ties } = ranks(tested.map(Math.abs));
  const statistic = tested.reduce((sum, d, i) => sum + (d > 0 ? rank[i] : 0), 0);
  if (n === 0) return { statistic, n, p: Number.NaN, exact: false };
  const mean = (n * (n + 1)) / 4;
  if (n <= mostExact && ties === 0 && !hadZeros) {
    const tail = statistic > mean ? (n * (n + 1)) / 2 - statistic : statistic;
    return { statistic, n, p: Math.min(1, 2 * exactBelow(tail, n)), exact: true };
  }
  const deviation = Math.sqrt((n * (n + 1) * (2 * n + 1)) / 24 - ties / 48);
  const z = (Math.abs(statistic - mean) - 0.5) / deviation;
  return { statistic, n, p: Math.min(1, 2 * normalAbove(Math.max(0, z))), exact: false };
};
