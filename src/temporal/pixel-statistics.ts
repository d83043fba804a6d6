import type { Period } from './days.js';
import { windowLengths } from './windows.js';

/** Where a statistic of gaps has too few of them: FORCE's nodata. */
export const noStatistic = -9999;

const ofGaps = ['MIN', 'MAX', 'AVG', 'STD', 'RNG', 'Q25', 'Q50', 'Q75', 'IQR'] as const;

/** What a raster holds: FORCE's three letters, behind the convention of its gaps; `W05` is a share of windows, %. */
export interface PixelProduct {
  /** `CSO`: the period's edges are boundaries, as FORCE has it; `GAP`: between observations only. */
  kind: 'CSO' | 'GAP';
  code: string;
  type: 'int16' | 'float32';
}

const typeOf = (code: string): 'int16' | 'float32' =>
  ['NUM', 'MIN', 'MAX', 'RNG'].includes(code) ? 'int16' : 'float32';

/** Every raster of a set of sensors, in the order of {@link PixelStatistics}. */
export const pixelProducts: readonly PixelProduct[] = [
  { kind: 'CSO', code: 'NUM', type: 'int16' },
  ...(['CSO', 'GAP'] as const).flatMap((kind) => ofGaps.map((code) => ({ kind, code, type: typeOf(code) }))),
  ...windowLengths.map(
    (length): PixelProduct => ({
      kind: 'CSO',
      code: `W${String(length).padStart(2, '0')}`,
      type: 'float32',
    }),
  ),
];

const quartiles = [0.25, 0.5, 0.75] as const;

/**
 * Computes the statistics of one pixel after another. Gaps are whole days, so a histogram of them holds all that the
 * statistics need: each is read off one walk over it.
 */
export const pixelStatistics = ({ from, to }: Period) => {
  const histogram = new Uint16Array(to - from + 2);
  const ranks = new Float64Array(2 * quartiles.length);
  const ranked = new Float64Array(2 * quartiles.length);

  const describe = (
    count: number,
    sum: number,
    min: number,
    max: number,
    out: Float64Array,
    at: number,
  ): void => {
    if (count === 0) {
      out.fill(noStatistic, at, at + ofGaps.length);
      return;
    }
    const mean = sum / count;
    for (let index = 0; index < quartiles.length; index++) {
      const low = Math.floor((count - 1) * quartiles[index]);
      ranks[2 * index] = low;
      ranks[2 * index + 1] = Math.min(low + 1, count - 1);
    }
    let below = 0;
    let squares = 0;
    for (let gap = min; gap <= max; gap++) {
      const times = histogram[gap];
      if (times === 0) continue;
      for (let index = 0; index < ranks.length; index++)
        if (ranks[index] >= below && ranks[index] < below + times) ranked[index] = gap;
      below += times;
      squares += times * (gap - mean) * (gap - mean);
    }
    out[at] = min;
    out[at + 1] = max;
    out[at + 2] = mean;
    out[at + 3] = count > 1 ? Math.sqrt(squares / (count - 1)) : noStatistic;
    out[at + 4] = max - min;
    for (let index = 0; index < quartiles.length; index++) {
      const rest = (count - 1) * quartiles[index] - ranks[2 * index];
      out[at + 5 + index] = ranked[2 * index] + rest * (ranked[2 * index + 1] - ranked[2 * index]);
    }
    out[at + 8] = out[at + 7] - out[at + 5];
  };

  /**
   * `days[start … end)`: the pixel's clear days, ascending, distinct, inside the period.
   * `out`: a value for each of {@link pixelProducts}.
   */
  return (days: Int32Array, start: number, end: number, out: Float64Array): void => {
    const n = end - start;
    let [min, max] = [histogram.length, 0];
    for (let index = start + 1; index < end; index++) {
      const gap = days[index] - days[index - 1];
      histogram[gap] += 1;
      if (gap < min) min = gap;
      if (gap > max) max = gap;
    }
    const between = Math.max(0, n - 1);
    const span = n > 0 ? days[end - 1] - days[start] : 0;
    out[0] = n;
    describe(between, span, min, max, out, 1 + ofGaps.length);

    // windows that no day falls in: g − k of a gap of g days; a day more at the period's open ends
    const head = n > 0 ? days[start] - from : to - from + 1;
    const tail = n > 0 ? to - days[end - 1] : 0;
    for (let index = 0; index < windowLengths.length; index++) {
      const length = windowLengths[index];
      const windows = to - from + 2 - length;
      let empty = Math.max(0, head - length + 1) + Math.max(0, tail - length + 1);
      for (let gap = length + 1; gap <= max; gap++) empty += histogram[gap] * (gap - length);
      out[1 + 2 * ofGaps.length + index] = windows < 1 ? noStatistic : (100 * (windows - empty)) / windows;
    }

    let count = between;
    const edge = (gap: number): void => {
      if (gap === 0) return;
      histogram[gap] += 1;
      count += 1;
      if (gap < min) min = gap;
      if (gap > max) max = gap;
    };
    edge(n > 0 ? head : to - from);
    edge(tail);
    describe(count, to - from, min, max, out, 1);
    if (max >= min) histogram.fill(0, min, max + 1);
  };
};
