import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Acquisition } from '../../src/temporal/acquisition.js';
import { dayOf, dayText, msPerDay, parseTime } from '../../src/temporal/days.js';
import { mergeDays, mergeTiles, uniteDays } from '../../src/temporal/merge.js';
import { pixelProducts, pixelStatistics } from '../../src/temporal/pixel-statistics.js';
import { sensorSets, seriesStatistics } from '../../src/temporal/statistics.js';
import { windowLengths } from '../../src/temporal/windows.js';

const day = (text: string) => dayOf(parseTime(text)!);
/** 2023-11-15, so that periods run over a year's end and the leap day of 2024. */
const origin = day('2023-11-15');

const image = (minutes: number, clear: number | null): Acquisition => ({
  tile: 'T',
  platform: 's2a',
  time: origin * msPerDay + minutes * 60_000,
  clear,
});
const images = fc.array(
  fc.record({ minutes: fc.integer({ min: 0, max: 200 * 1440 }), clear: fc.integer({ min: 0, max: 100 }) }),
  { maxLength: 60 },
);
const periods = fc
  .tuple(fc.integer({ min: -20, max: 220 }), fc.integer({ min: 0, max: 200 }))
  .map(([from, length]) => ({ from: origin + from, to: origin + from + length }));

/** The median as everyone learns it. */
const median = (values: number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return sorted.length % 2 === 1 ? sorted[Math.floor(half)] : (sorted[half - 1] + sorted[half]) / 2;
};
const diffs = (values: number[]): number[] => values.slice(1).map((value, index) => value - values[index]);

describe('statistics equal their definition', () => {
  it('counts, gaps, months and windows of random catalogs', () => {
    fc.assert(
      fc.property(images, periods, fc.integer({ min: 0, max: 100 }), (list, period, threshold) => {
        const merged = mergeDays(list.map(({ minutes, clear }) => image(minutes, clear / 100)));
        const found = seriesStatistics(merged, period, threshold / 100);
        // walk every day of the period and look the merged days up
        const all: number[] = [];
        const clear: number[] = [];
        for (let at = period.from; at <= period.to; at++) {
          const index = merged.days.indexOf(at);
          if (index < 0) continue;
          all.push(at);
          if (Math.round(merged.clear[index] * 100) >= threshold) clear.push(at);
        }
        expect(found.n).toBe(all.length);
        expect(Array.from(found.clearDays)).toEqual(clear);
        const gaps = diffs(clear);
        const edges = diffs([...new Set([period.from, ...clear, period.to])].sort((a, b) => a - b));
        for (const [has, want] of [
          [found.gaps, gaps],
          [found.gapsWithEdges, edges],
        ] as const) {
          expect(has.count).toBe(want.length);
          if (want.length === 0) {
            expect([has.min, has.mean, has.median, has.max, has.std, has.longest]).toEqual([
              null,
              null,
              null,
              null,
              null,
              null,
            ]);
            continue;
          }
          const mean = want.reduce((sum, gap) => sum + gap, 0) / want.length;
          expect(has.min).toBe(Math.min(...want));
          expect(has.max).toBe(Math.max(...want));
          expect(has.mean).toBeCloseTo(mean, 10);
          expect(has.median).toBe(median(want));
          expect(has.longest!.days).toBe(has.max);
          expect(day(has.longest!.to) - day(has.longest!.from)).toBe(has.max);
          if (want.length > 1)
            expect(has.std).toBeCloseTo(
              Math.sqrt(want.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / (want.length - 1)),
              10,
            );
        }
        const months: Record<string, number> = {};
        for (let at = period.from; at <= period.to; at++) months[dayText(at).slice(0, 7)] ??= 0;
        for (const at of clear) months[dayText(at).slice(0, 7)] += 1;
        expect(found.perMonth).toEqual(months);
        windowLengths.forEach((length, index) => {
          let [total, held] = [0, 0];
          for (let at = period.from; at + length - 1 <= period.to; at++) {
            total += 1;
            held += Number(clear.some((one) => one >= at && one < at + length));
          }
          if (total === 0) expect(found.windows[index]).toBeNull();
          else expect(found.windows[index]).toBeCloseTo(held / total, 12);
        });
      }),
      { numRuns: 300 },
    );
  });

  it('per pixel as per tile', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 120 }), { maxLength: 40 }),
        periods,
        (offsets, period) => {
          const days = Int32Array.from(offsets, (offset) => origin + offset)
            .filter((at) => at >= period.from && at <= period.to)
            .sort();
          const clear = new Float64Array(days.length).fill(1);
          const want = seriesStatistics(
            { days, clear, images: new Int32Array(days.length).fill(1) },
            period,
            0.5,
          );
          const out = new Float64Array(pixelProducts.length);
          const compute = pixelStatistics(period);
          compute(days, 0, days.length, out);
          compute(days, 0, days.length, out); // what is left in the scratch space must not matter
          const nodata = (value: number | null) => value ?? -9999;
          const has = Object.fromEntries(
            pixelProducts.map(({ kind, code }, index) => [`${kind} ${code}`, out[index]]),
          );
          expect(has['CSO NUM']).toBe(days.length);
          for (const [kind, gaps] of [
            ['CSO', want.gapsWithEdges],
            ['GAP', want.gaps],
          ] as const) {
            expect(has[`${kind} MIN`]).toBe(nodata(gaps.min));
            expect(has[`${kind} MAX`]).toBe(nodata(gaps.max));
            expect(has[`${kind} AVG`]).toBeCloseTo(nodata(gaps.mean), 9);
            expect(has[`${kind} STD`]).toBeCloseTo(nodata(gaps.std), 9);
            expect(has[`${kind} Q25`]).toBeCloseTo(nodata(gaps.quantiles[3]), 9);
            expect(has[`${kind} Q50`]).toBeCloseTo(nodata(gaps.median), 9);
            expect(has[`${kind} Q75`]).toBeCloseTo(nodata(gaps.quantiles[5]), 9);
          }
          windowLengths.forEach((length, index) => {
            const share = want.windows[index];
            expect(has[`CSO W${String(length).padStart(2, '0')}`]).toBeCloseTo(
              share === null ? -9999 : share * 100,
              9,
            );
          });
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('merging', () => {
  it('counts a day once with its clearest value, and twins over midnight as one look', () => {
    const merged = mergeDays([
      image(600, 0.2),
      image(603, 0.9),
      image(1440 + 1425, 0.1), // 23:45
      image(2880 + 5, 0.4), // 00:05 of the next day: the same look
      image(2880 + 700, 0.3), // a look of its own
    ]);
    expect(Array.from(merged.days)).toEqual([origin, origin + 1, origin + 2]);
    expect(Array.from(merged.clear)).toEqual([0.9, 0.4, 0.3]);
    expect(Array.from(merged.images)).toEqual([2, 2, 1]);
  });

  it('unites sensors day by day, whatever the order', () => {
    fc.assert(
      fc.property(images, images, (first, second) => {
        const [a, b] = [first, second].map((list) =>
          mergeDays(list.map(({ minutes, clear }) => image(minutes, clear / 100))),
        );
        const both = uniteDays([a, b]);
        const other = uniteDays([b, a]);
        expect(both).toEqual(other);
        expect(Array.from(both.days)).toEqual([...new Set([...a.days, ...b.days])].sort((x, y) => x - y));
        expect(both.images.reduce((sum, n) => sum + n, 0)).toBe(first.length + second.length);
      }),
    );
  });

  it('counts satellites for their sensor and for themselves', () => {
    const series = mergeTiles(
      [
        { ...image(0, 1), platform: 'landsat-8' },
        { ...image(3000, 1), platform: 'landsat-9' },
        { ...image(6000, 1), platform: 's2b' },
      ],
      ['landsat', 'landsat-8', 's2', 'gf1'],
    ).get('T')!;
    expect([...series].map(([sensor, { days }]) => [sensor, days.length])).toEqual([
      ['landsat', 2],
      ['landsat-8', 1],
      ['s2', 1],
      ['gf1', 0],
    ]);
  });

  it('makes every subset of four sensors, and singles, pairs and all of more', () => {
    expect(sensorSets(['a', 'b', 'c']).map((set) => set.join('+'))).toEqual([
      'a',
      'b',
      'c',
      'a+b',
      'a+c',
      'b+c',
      'a+b+c',
    ]);
    expect(sensorSets(['a', 'b', 'c', 'd', 'e'])).toHaveLength(5 + 10 + 1);
  });
});

describe('time', () => {
  it.each([
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['20240229', '2024-02-29T00:00:00.000Z'],
    ['2024-08-28T17:49:09.024000+00:00', '2024-08-28T17:49:09.024Z'],
    ['2024-08-28T23:30:00-05:00', '2024-08-29T04:30:00.000Z'],
    ['20240422T174753', '2024-04-22T17:47:53.000Z'],
    ['2015-07-11T10:00:08', '2015-07-11T10:00:08.000Z'],
  ])('reads %s', (text, iso) => {
    expect(new Date(parseTime(text)!).toISOString()).toBe(iso);
  });
  it.each([
    '2023-02-29',
    '2024-13-01',
    '2024-00-10',
    '2024-04-31T00:00:00Z',
    '2024-01-01T24:10',
    'yesterday',
    '',
    '45123',
    '2024-01-01T10:00:00+02:60',
    '2024-01-01T10:00:00+15:00',
  ])('refuses %s', (text) => {
    expect(parseTime(text)).toBeNull();
  });
});
