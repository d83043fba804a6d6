import { kernelCounter } from './count-kernel.js';

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
  /** Places that may hold anything but 0: from … to − 1. */
  from: number;
  to: number;
}

export const makeValueCounts = (): ValueCounts => ({
  source: new Uint32Array(65536),
  target: new Uint32Array(65536),
  targetSum: new Float64Array(65536),
  from: 65536,
  to: 0,
});

export const clearValueCounts = (counts: ValueCounts): void => {
  const { source, target, targetSum, from, to } = counts;
  if (from < to) for (const values of [source, target, targetSum]) values.fill(0, from, to);
  counts.from = 65536;
  counts.to = 0;
};

/** {@link countValues} without the kernel. */
export const countInLoop = (
  source: Int16Array,
  target: Int16Array,
  mask: Uint8Array,
  out: ValueCounts,
): void => {
  const { source: sourceCount, target: targetCount, targetSum } = out;
  let [from, to] = [out.from, out.to];
  for (let i = 0; i < mask.length; i++) {
    if (mask[i] === 0) continue;
    const x = source[i] + valueZero;
    const y = target[i] + valueZero;
    sourceCount[x]++;
    targetSum[x] += y - valueZero;
    targetCount[y]++;
    from = Math.min(from, x, y);
    to = Math.max(to, x + 1, y + 1);
  }
  out.from = from;
  out.to = to;
};

/**
 * Adds the valid pixels of one band to `out`, which the caller has zeroed. All statistics of the band follow from
 * these counts, exactly: sums of integers below 2⁵³. In WebAssembly where the host has SIMD; the counts are the same.
 */
export const countValues = (
  source: Int16Array,
  target: Int16Array,
  mask: Uint8Array,
  out: ValueCounts,
): void => (kernelCounter() ?? countInLoop)(source, target, mask, out);
