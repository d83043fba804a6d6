import { hasKernel, hasSimd, kernelMemory, loadKernel, memoryPlan } from '../kernels.js';
import type { ValueCounts } from './count-values.js';

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

/** Pixels handed over at a time. */
const share = 2 ** 18;
const values = 65536;
const zero = 32768;

type Counter = (source: Int16Array, target: Int16Array, mask: Uint8Array, out: ValueCounts) => void;

const makeCounter = (): Counter => {
  const { take, size } = memoryPlan();
  const at = {
    source: take(2 * share),
    target: take(2 * share),
    mask: take(share),
    sums: take(8 * values),
    targets: take(4 * values),
    counts: take(4 * values),
    targetSums: take(8 * values),
  };
  const { buffer, kernel } = ((memory: WebAssembly.Memory) => ({
    buffer: memory.buffer,
    kernel: loadKernel<StatisticsKernel>('statistics', memory),
  }))(kernelMemory(size()));
  const sources = new Int16Array(buffer, at.source, share);
  const targets = new Int16Array(buffer, at.target, share);
  const masks = new Uint8Array(buffer, at.mask, share);
  const counted = {
    source: new Uint32Array(buffer, at.counts, values),
    target: new Uint32Array(buffer, at.targets, values),
    targetSum: new Float64Array(buffer, at.targetSums, values),
  };

  return (source, target, mask, out) => {
    for (let first = 0; first < mask.length; first += share) {
      const count = Math.min(share, mask.length - first);
      sources.set(source.subarray(first, first + count));
      targets.set(target.subarray(first, first + count));
      masks.set(mask.subarray(first, first + count));
      // least and greatest value, packed in 16 bits each
      const ranges = [kernel.valueRange(at.source, count), kernel.valueRange(at.target, count)];
      const from = Math.min(...ranges.map((range) => (range << 16) >> 16)) + zero;
      const to = Math.max(...ranges.map((range) => range >> 16)) + zero + 1;
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

/** Counting in WebAssembly; null where the host has no SIMD, the kernel is not built or BANDALIGN_OPS=composed. */
export const kernelCounter = (): Counter | null => {
  if (process.env['BANDALIGN_OPS'] === 'composed') return null;
  if (!counter && hasSimd() && hasKernel('statistics')) counter = makeCounter();
  return counter ?? null;
};
