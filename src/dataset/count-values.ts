import { kernelMemory, loadKernel, memoryPlan } from '../kernels.js';

/** Index of value 0 in the arrays of {@link ValueCounts}. */
export const valueZero = 32768;
/** Values of an int16. */
const valueCount = 65536;

/** Per-value counts of one band, one for each int16: that of value v is at v + {@link valueZero}. */
export interface ValueCounts {
  /** Pixels with source value v. */
  source: Uint32Array;
  /** Pixels with target value v. */
  target: Uint32Array;
  /** Sum of the target over pixels with source value v. */
  targetSum: Float64Array;
  /** Indices that may hold anything but 0: from … to − 1. */
  from: number;
  to: number;
}

export const makeValueCounts = (): ValueCounts => ({
  source: new Uint32Array(valueCount),
  target: new Uint32Array(valueCount),
  targetSum: new Float64Array(valueCount),
  from: valueCount,
  to: 0,
});

export const clearValueCounts = (counts: ValueCounts): void => {
  const { source, target, targetSum, from, to } = counts;
  if (from < to) for (const values of [source, target, targetSum]) values.fill(0, from, to);
  counts.from = valueCount;
  counts.to = 0;
};

/** kernels/statistics.entry.ts */
interface StatisticsKernel {
  countPixels(
    source: number,
    target: number,
    mask: number,
    count: number,
    sums: number,
    targets: number,
  ): void;
  valueRange(values: number, count: number): number;
  splitSums(sums: number, from: number, to: number, counts: number, targetSums: number): void;
}

/** Pixels that one call of the kernel takes. */
const pixelsPerCall = 2 ** 18;

type Counter = (source: Int16Array, target: Int16Array, mask: Uint8Array, out: ValueCounts) => void;

const makeCounter = (): Counter => {
  const { take, size } = memoryPlan();
  const at = {
    source: take(2 * pixelsPerCall),
    target: take(2 * pixelsPerCall),
    mask: take(pixelsPerCall),
    sums: take(8 * valueCount),
    targets: take(4 * valueCount),
    counts: take(4 * valueCount),
    targetSums: take(8 * valueCount),
  };
  const { buffer, kernel } = ((memory: WebAssembly.Memory) => ({
    buffer: memory.buffer,
    kernel: loadKernel<StatisticsKernel>('statistics', memory),
  }))(kernelMemory(size()));
  const sources = new Int16Array(buffer, at.source, pixelsPerCall);
  const targets = new Int16Array(buffer, at.target, pixelsPerCall);
  const masks = new Uint8Array(buffer, at.mask, pixelsPerCall);
  const counted = {
    source: new Uint32Array(buffer, at.counts, valueCount),
    target: new Uint32Array(buffer, at.targets, valueCount),
    targetSum: new Float64Array(buffer, at.targetSums, valueCount),
  };

  return (source, target, mask, out) => {
    for (let first = 0; first < mask.length; first += pixelsPerCall) {
      const count = Math.min(pixelsPerCall, mask.length - first);
      sources.set(source.subarray(first, first + count));
      targets.set(target.subarray(first, first + count));
      masks.set(mask.subarray(first, first + count));
      // least and greatest value, packed in 16 bits each
      const ranges = [kernel.valueRange(at.source, count), kernel.valueRange(at.target, count)];
      const from = Math.min(...ranges.map((range) => (range << 16) >> 16)) + valueZero;
      const to = Math.max(...ranges.map((range) => range >> 16)) + valueZero + 1;
      kernel.countPixels(at.source, at.target, at.mask, count, at.sums, at.targets);
      kernel.splitSums(at.sums, from, to, at.counts, at.targetSums);
      for (const name of ['source', 'target', 'targetSum'] as const) {
        const [own, sum] = [counted[name], out[name]];
        for (let v = from; v < to; v++) sum[v] += own[v];
        own.fill(0, from, to);
      }
      out.from = Math.min(out.from, from);
      out.to = Math.max(out.to, to);
    }
  };
};

let counter: Counter | undefined;

/**
 * Adds the valid pixels of one band to `out`, which the caller has zeroed. All statistics of the band follow from
 * these counts, exactly: sums of integers below 2⁵³. In WebAssembly.
 */
export const countValues: Counter = (source, target, mask, out) => {
  counter ??= makeCounter();
  counter(source, target, mask, out);
};
