/**
 * Holm's step-down correction (Holm 1979): p-values such that rejecting those below α keeps the chance of any false
 * rejection below α. NaN stands for a test that was not made: it stays NaN and is not counted.
 */
export const holm = (values: readonly number[]): number[] => {
  const order = values
    .map((_, i) => i)
    .filter((i) => !Number.isNaN(values[i]))
    .sort((a, b) => values[a] - values[b]);
  const corrected = values.map(() => Number.NaN);
  let largest = 0;
  for (const [rank, i] of order.entries()) {
    largest = Math.max(largest, Math.min(1, (order.length - rank) * values[i]));
    corrected[i] = largest;
  }
  return corrected;
};
