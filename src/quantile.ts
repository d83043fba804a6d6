/** Quantile of sorted values by linear interpolation (type 7 in R). @param fraction in [0, 1] */
export const quantile = (sorted: ArrayLike<number>, fraction: number): number => {
  const at = fraction * (sorted.length - 1);
  const low = Math.floor(at);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (at - low) * (sorted[high] - sorted[low]);
};
