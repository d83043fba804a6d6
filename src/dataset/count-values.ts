/** Index of value 0 in the arrays of {@link ValueCounts}. */
export const valueZero = 32768;

/** Per-value counts of one band, a place for each int16: value v is at v + {@link valueZero}. */
export interface ValueCounts {
  /** Pixels with source value v. */
  source: Uint32Array;
  /** Pixels with target value v. */
  target: Uint32Array;
  /** Sum of the target over pixels with source value v. */
  targetSum: Float64Array;
}

export const makeValueCounts = (): ValueCounts => ({
  source: new Uint32Array(65536),
  target: new Uint32Array(65536),
  targetSum: new Float64Array(65536),
});

export const clearValueCounts = ({ source, target, targetSum }: ValueCounts): void => {
  source.fill(0);
  target.fill(0);
  targetSum.fill(0);
};

/**
 * Adds the valid pixels of one band to `out`, which the caller has zeroed. All statistics of the band follow from
 * these counts, exactly: sums of integers below 2⁵³.
 */
export const countValues = (
  source: Int16Array,
  target: Int16Array,
  mask: Uint8Array,
  out: ValueCounts,
): void => {
  const { source: sourceCount, target: targetCount, targetSum } = out;
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    const x = source[i] + valueZero;
    const y = target[i];
    sourceCount[x]++;
    targetSum[x] += y;
    targetCount[y + valueZero]++;
  }
};
