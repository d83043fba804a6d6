import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  clearValueCounts,
  countValues,
  makeValueCounts,
  type ValueCounts,
  valueZero,
} from '../../src/dataset/count-values.js';

/** What the kernel must count, plainly. */
const countInLoop = (source: Int16Array, target: Int16Array, mask: Uint8Array, out: ValueCounts): void => {
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

/** What is counted, place by place, the bounds of the range aside. */
const entries = ({ source, target, targetSum }: ValueCounts): string[] => {
  const out: string[] = [];
  for (let v = 0; v < 65536; v++)
    if (source[v] || target[v] || targetSum[v]) out.push(`${v} ${source[v]} ${target[v]} ${targetSum[v]}`);
  return out;
};

const value = fc.oneof(
  fc.integer({ min: -32768, max: 32767 }),
  fc.integer({ min: -5, max: 20 }),
  fc.constantFrom(-32768, 32767, 0, -1),
);
const pixel = fc.tuple(value, value, fc.constantFrom(0, 1, 255));

test('the kernel counts what the loop counts, over patches, masks of any kind and repeated calls', () => {
  fc.assert(
    fc.property(fc.array(fc.array(pixel, { maxLength: 60 }), { maxLength: 3 }), (patches) => {
      const [a, b] = [makeValueCounts(), makeValueCounts()];
      for (const pixels of patches) {
        const source = Int16Array.from(pixels, ([x]) => x);
        const target = Int16Array.from(pixels, ([, y]) => y);
        const mask = Uint8Array.from(pixels, ([, , valid]) => valid);
        countInLoop(source, target, mask, a);
        countValues(source, target, mask, b);
      }
      expect(entries(b)).toStrictEqual(entries(a));
      for (const counts of [a, b])
        for (const entry of entries(counts)) {
          const at = Number(entry.split(' ')[0]);
          expect(at >= counts.from && at < counts.to).toBe(true);
        }
      clearValueCounts(b);
      expect(entries(b)).toStrictEqual([]);
    }),
  );
});

test('more pixels than one share, all of one value, are counted exactly', () => {
  const n = 600_001;
  const counts = makeValueCounts();
  countValues(
    new Int16Array(n).fill(-32768),
    new Int16Array(n).fill(32767),
    new Uint8Array(n).fill(1),
    counts,
  );
  expect(entries(counts)).toStrictEqual([`0 ${n} 0 ${n * 32767}`, `65535 0 ${n} 0`]);
  expect(valueZero).toBe(32768);
});
