import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countValues, makeValueCounts } from '../../src/dataset/count-values.js';
import { addHistogram, histogram, l1 } from '../../src/dataset/histogram.js';

interface Golden {
  cases: { bandMax: number; bins: number; counts: number[] }[];
}
const golden = JSON.parse(
  readFileSync(new URL('../fixtures/histogram/numpy.json', import.meta.url), 'utf8'),
) as Golden;

describe('histogram', () => {
  test.each(golden.cases)(
    'as numpy.histogram over [0, $bandMax] in $bins bins',
    ({ bandMax, bins, counts }) => {
      const from = bandMax < 32000 ? -5 : 0;
      const to = bandMax < 32000 ? bandMax + 5 : bandMax;
      const values = Int16Array.from({ length: to - from + 1 }, (_, k) => from + k);
      expect([...histogram(values, new Uint8Array(values.length).fill(1), bandMax, bins)]).toEqual(counts);
    },
  );

  test('counts what lies in [0, bandMax] under the mask, by either way', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: -32768, max: 32767 }), fc.boolean()), { maxLength: 200 }),
        fc.integer({ min: 2, max: 32767 }),
        fc.integer({ min: 2, max: 300 }),
        (pixels, bandMax, bins) => {
          const values = Int16Array.from(pixels, ([value]) => value);
          const mask = Uint8Array.from(pixels, ([, valid]) => (valid ? 1 : 0));
          const direct = histogram(values, mask, bandMax, bins);
          const inside = pixels.filter(([value, valid]) => valid && value >= 0 && value <= bandMax).length;
          expect(direct.reduce((a, b) => a + b, 0)).toBe(inside);
          const counts = makeValueCounts();
          countValues(values, values, mask, counts);
          const folded = new Uint32Array(bins);
          addHistogram(counts.source, bandMax, folded);
          expect(folded).toEqual(direct);
        },
      ),
    );
  });

  test('bandMax itself falls into the last bin', () => {
    const counts = histogram(Int16Array.of(3000, 3001, -1, 0), Uint8Array.of(1, 1, 1, 1), 3000, 256);
    expect([counts[255], counts[0], counts.reduce((a, b) => a + b, 0)]).toEqual([1, 1, 2]);
  });
});

test('l1 makes each band sum to one, and leaves an empty band empty', () => {
  expect([...l1([1, 3, 0, 0], 2)]).toEqual([0.25, 0.75, 0, 0]);
});
