import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { analyse } from '../../src/temporal/analyse.js';
import { parseColumns } from '../../src/temporal/columns.js';
import { dayOf, dayText, parseTime } from '../../src/temporal/days.js';
import { readCatalogs } from '../../src/temporal/read-catalogs.js';
import { summarise } from '../../src/temporal/summary.js';

const data = (name: string) => fileURLToPath(new URL(`../../notebooks/data/${name}`, import.meta.url));
const day = (text: string) => dayOf(parseTime(text)!);

/** Counted by hand from the two files: grep 13TDE, sort, one line a date. */
const s2 = `07-11 07-14 07-16 07-19 07-21 07-24 07-26 07-29 07-31 08-03
  08-05 08-08 08-10 08-13 08-15 08-18 08-20 08-23 08-25 08-28`.split(/\s+/);
const landsat = '07-13 07-14 07-21 07-22 07-29 07-30 08-06 08-07 08-14 08-15 08-22 08-23'.split(' ');
const shared = ['07-14', '07-21', '07-29', '08-15', '08-23'];
// the union, its twenty-seven dates, and the steps between them
const together =
  `07-11 07-13 07-14 07-16 07-19 07-21 07-22 07-24 07-26 07-29 07-30 07-31 08-03 08-05 08-06 08-07
  08-08 08-10 08-13 08-14 08-15 08-18 08-20 08-22 08-23 08-25 08-28`.split(/\s+/);
const steps = [2, 1, 2, 3, 2, 1, 2, 2, 3, 1, 1, 3, 2, 1, 1, 1, 2, 3, 1, 1, 3, 2, 2, 1, 2, 3];

const read = () =>
  readCatalogs([data('s2_items_1000.csv'), data('landsat_items_100.csv')], {
    columns: [
      parseColumns(
        's2_items_1000.csv:tile=s2:mgrs_tile,sensor=platform,datetime=datetime,cloud=eo:cloud_cover',
      ),
      parseColumns(
        "landsat_items_100.csv:tile='13TDE',sensor='landsat-8',datetime=datetime,cloud=eo:cloud_cover",
      ),
    ],
  });

describe('tile 13TDE over the summer of 2024', () => {
  it('agrees with a count by hand', async () => {
    const analysis = analyse(await read(), {
      sensors: ['s2', 'landsat-8'],
      from: day('2024-07-09'),
      to: day('2024-08-28'),
      threshold: 0,
      tiles: ['13TDE'],
    });
    const dates = (set: string) =>
      Array.from(analysis.statistics.get('13TDE')!.get(set)!.clearDays, (value) => dayText(value).slice(5));
    expect(dates('s2')).toEqual(s2);
    expect(dates('landsat-8')).toEqual(landsat);
    expect(dates('s2').filter((date) => dates('landsat-8').includes(date))).toEqual(shared);
    expect(dates('s2+landsat-8')).toEqual(together);

    const { period, tiles } = summarise(analysis);
    expect(period).toEqual({ from: '2024-07-09', to: '2024-08-28' });
    expect(Object.keys(tiles)).toEqual(['13TDE']);
    expect(tiles['13TDE']).toEqual({
      s2: {
        n: 20,
        nClear: 20,
        // 07-11 to 08-28 is 48 days in 19 steps: nine of 2, ten of 3
        gaps: { min: 2, mean: 48 / 19, median: 3, max: 3 },
        // 2 more days from 07-09 to 07-11; the last observation is the period's last day
        gapsWithEdges: { min: 2, mean: 50 / 20, median: 2.5, max: 3 },
        perMonth: { '2024-07': 9, '2024-08': 11 },
      },
      'landsat-8': {
        n: 12,
        nClear: 12,
        // steps 1 7 1 7 1 7 1 7 1 7 1
        gaps: { min: 1, mean: 41 / 11, median: 1, max: 7 },
        // and 4 days before, 5 after
        gapsWithEdges: { min: 1, mean: 50 / 13, median: 4, max: 7 },
        perMonth: { '2024-07': 6, '2024-08': 6 },
      },
      's2+landsat-8': {
        n: 27,
        nClear: 27,
        gaps: { min: 1, mean: 48 / 26, median: 2, max: 3 },
        gapsWithEdges: { min: 1, mean: 50 / 27, median: 2, max: 3 },
        perMonth: { '2024-07': 12, '2024-08': 15 },
      },
    });
    expect(steps.reduce((sum, step) => sum + step, 0)).toBe(48);
    const united = analysis.statistics.get('13TDE')!.get('s2+landsat-8')!;
    expect(united.gaps.count).toBe(steps.length);
    // 21 + 12 images in the lists, 2024-08-20 twice
    expect(united.raw).toBe(33);
  });

  it('names the longest gap with its dates, and takes the clearest of a day seen twice', async () => {
    const analysis = analyse(await read(), {
      sensors: ['s2'],
      from: day('2024-07-09'),
      to: day('2024-08-28'),
      threshold: 0.7,
      tiles: ['13TDE'],
    });
    const found = analysis.statistics.get('13TDE')!.get('s2')!;
    // cloud of 30 % and less: 07-11 07-14 07-21 07-29 07-31 08-03 08-05 08-10 08-18 08-20 08-28
    expect(found.nClear).toBe(11);
    expect(found.gaps.longest).toEqual({ from: '2024-07-21', to: '2024-07-29', days: 8 });
    const series = analysis.series.get('13TDE')!.get('s2')!;
    const twice = series.days.indexOf(day('2024-08-20'));
    expect(series.images[twice]).toBe(2);
    expect(series.clear[twice]).toBeCloseTo(1 - 0.00254229, 10);
  });

  it('finds what the notes on the lists say of all tiles', async () => {
    const analysis = analyse(await read(), { sensors: ['s2'], threshold: 0 });
    const all = [...analysis.statistics.values()].map((bySet) => bySet.get('s2')!);
    expect(all).toHaveLength(54);
    expect(all.reduce((sum, { raw }) => sum + raw, 0)).toBe(1000);
    expect(all.reduce((sum, { n }) => sum + n, 0)).toBe(987);
    expect(all.filter(({ n }) => n <= 10)).toHaveLength(7);
  });
});
