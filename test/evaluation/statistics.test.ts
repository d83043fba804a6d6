import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/config/random.js';
import { ablationTables, bracedTags } from '../../src/evaluation/ablation-table.js';
import { tileDraws } from '../../src/evaluation/bootstrap.js';
import { metricTable } from '../../src/evaluation/metric-table.js';
import { bootstrapP, holm } from '../../src/evaluation/paired-comparison.js';
import { scoreDraws, tileSums } from '../../src/evaluation/pooled-draws.js';
import { csvTable, latexTable, markdownTable } from '../../src/evaluation/render-table.js';
import { rowStatistics, type SeededModel } from '../../src/evaluation/row-statistics.js';
import { poolTiles, type TileRecord } from '../../src/evaluation/tile-record.js';
import { wilcoxonSignedRank } from '../../src/evaluation/wilcoxon.js';
import { metrics } from '../../src/metrics/index.js';
import { rmse } from '../../src/metrics/rmse.js';

/** Tiles whose errors have standard deviation `noise`, about. */
const tiles = (count: number, noise: number, seed: number | string): TileRecord[] => {
  // the targets are the same for every model
  const [truth, random] = [seededRandom('truth'), seededRandom('errors', seed)];
  return Array.from({ length: count }, (_, tile): TileRecord => {
    const sums = () => {
      const record = { n: 0, error: 0, squared: 0, absolute: 0, target: 0, targetSquared: 0 };
      for (let pixel = 0; pixel < 50; pixel++) {
        const target = 500 + 300 * truth.normal();
        const error = noise * random.normal();
        record.n++;
        record.error += error;
        record.squared += error * error;
        record.absolute += Math.abs(error);
        record.target += target;
        record.targetSquared += target * target;
      }
      return record;
    };
    return {
      split: 'test',
      tile: `T${String(tile).padStart(3, '0')}_20200101`,
      region: 'r',
      date: '20200101',
      patches: 1,
      bands: [sums(), sums()],
      ndvi: { ...sums(), skipped: 0 },
    };
  });
};

describe('wilcoxonSignedRank', () => {
  // R 4.2: wilcox.test(x, exact = …); SciPy 1.11: wilcoxon(x, correction=True)
  it('agrees with hand-counted exact probabilities', () => {
    // all of 5 positive: 2 / 2⁵
    expect(wilcoxonSignedRank([1, 2, 3, 4, 5])).toEqual({ statistic: 15, n: 5, p: 0.0625, exact: true });
    // V = 14: subsets of 1…5 with sum ≤ 1 are {} and {1}
    expect(wilcoxonSignedRank([-1, 2, 3, 4, 5]).p).toBeCloseTo(4 / 32, 12);
  });

  it('agrees with the worked example of Wilcoxon’s depression data (Hollander and Wolfe 1973): V = 40, p = 0.03906', () => {
    const x = [1.83, 0.5, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.3];
    const y = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29];
    const { statistic, p } = wilcoxonSignedRank(x.map((value, i) => value - y[i]));
    expect(statistic).toBe(40);
    expect(p).toBeCloseTo(0.0390625, 10);
  });

  it('approximates the exact distribution at 49 and takes ties and zeros', () => {
    const values = Array.from({ length: 49 }, (_, i) => (i % 3 === 0 ? -1 : 1) * (i + 1));
    const exact = wilcoxonSignedRank(values);
    const near = wilcoxonSignedRank([...values, 0]);
    expect([exact.exact, near.exact]).toEqual([true, false]);
    expect(near.p).toBeCloseTo(exact.p, 2);
    expect(wilcoxonSignedRank([0, 0]).p).toBeNaN();
    // n = 4 non-zero, ranks 2 2 2 4: V = 8, mean 5, variance 7.5 − 24/48 = 7; z = 2.5/√7, two-sided
    expect(wilcoxonSignedRank([1, -1, 1, 3, 0]).p).toBeCloseTo(0.344704, 5);
  });

  it('does not depend on order, and mirrors', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 80 }), (values) => {
        const { p } = wilcoxonSignedRank(values);
        expect(wilcoxonSignedRank(values.toReversed()).p).toBe(p);
        const mirrored = wilcoxonSignedRank(values.map((v) => -v)).p;
        if (values.every((v) => v === 0)) expect([p, mirrored]).toEqual([Number.NaN, Number.NaN]);
        else {
          expect(mirrored).toBeCloseTo(p, 12);
          expect(p >= 0 && p <= 1).toBe(true);
        }
      }),
    );
  });
});

describe('holm', () => {
  it('agrees with R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")', () => {
    expect(holm([0.01, 0.04, 0.03, 0.005])).toEqual([0.03, 0.06, 0.06, 0.02]);
    expect(holm([0.5, Number.NaN, 0.9])).toEqual([1, Number.NaN, 1]);
  });
});

describe('bootstrap', () => {
  it('pools draws as poolTiles does', () => {
    const records = tiles(12, 40, 1);
    const draws = tileDraws(12, 30);
    const sums = tileSums(records);
    for (const metric of metrics()) {
      const fast = scoreDraws(sums, draws, metric);
      for (const [d, times] of draws.entries()) {
        const slow = poolTiles(records, times);
        for (const [c, expected] of [...slow.bands, slow.ndvi!].entries())
          expect(fast[d][c]).toBeCloseTo(expected[metric.name], 9);
      }
    }
  });

  it('covers: 95 % intervals of the paired difference hold 0 about 95 times of 100 when there is none', () => {
    let held = 0;
    for (let trial = 0; trial < 100; trial++) {
      const models: SeededModel[] = ['a', 'b'].map((label) => ({
        label,
        parameters: 1,
        seeds: [tiles(40, 30, `${label}${trial}`)],
        runs: [label],
      }));
      const [row] = rowStatistics(models, ['x', 'y'], { baseline: 'a', draws: 200 }).filter(
        ({ label, measure }) => label === 'b' && measure.channel === 'mean' && measure.name === 'rmse',
      );
      const { low, high } = row.paired!.interval!;
      if (low <= 0 && high >= 0) held++;
    }
    expect(held).toBeGreaterThanOrEqual(86);
  });

  it('without draws: no interval and no bootstrap, nothing marked, and the signed-rank test all the same', () => {
    const models: SeededModel[] = ['a', 'b'].map((label) => ({
      label,
      parameters: 1,
      seeds: [tiles(40, 30, label)],
      runs: [label],
    }));
    const options = { caption: 'c', baseline: 'a' };
    const of = (draws: number) =>
      rowStatistics(models, ['x', 'y'], { baseline: 'a', draws }).find(
        ({ label, measure }) => label === 'b' && measure.channel === 'mean' && measure.name === 'rmse',
      )!;
    expect(of(0)).toMatchObject({ mean: of(200).mean, interval: null });
    expect(of(0).paired).toMatchObject({
      interval: null,
      bootstrap: Number.NaN,
      wilcoxon: of(200).paired!.wilcoxon,
    });
    const text = markdownTable(ablationTables(models, ['x', 'y'], { ...options, draws: 0 }).comparison);
    expect(text.split('\n').find((line) => line.startsWith('| b'))).not.toMatch(/NaN|ⁿˢ|\[/);
  });

  it('one metric: mean ± sample standard deviation over the seeds of a row, which names its runs', () => {
    const seeds = [1, 2, 3].map((seed) => tiles(20, 30, seed));
    const rows = [
      { label: 'a', seeds, runs: ['s/a-s1', 's/a-s2', 's/a-s3'] },
      { label: 'b', seeds: [seeds[0]], runs: ['s/b'] },
    ];
    for (const metric of metrics()) {
      const { columns, rows: lines } = metricTable(rows, ['x', 'y'], metric, 'test list');
      expect(columns.map(({ label }) => label)).toHaveLength(5);
      const [u, v, w] = seeds.map((records) => poolTiles(records).bands[1][metric.name]);
      const mean = (u + v + w) / 3;
      const sd = Math.sqrt(((u - mean) ** 2 + (v - mean) ** 2 + (w - mean) ** 2) / 2);
      const cell = lines[0].cells[3] as { value: number; spread: string };
      expect(cell.value).toBeCloseTo(mean, 10);
      expect(cell.spread).toBe(`± ${sd.toFixed(metric.name === 'r2' ? 4 : 2)}`);
      expect([lines[0].cells[1], lines[0].cells[4]]).toEqual(['3', 's/a-s{1,2,3}']);
      expect(lines[1].cells[3]).toBe(u);
    }
  });

  it('never gives a p-value of 0', () => {
    expect(bootstrapP(new Float64Array(999).fill(1))).toBe(0.002);
    expect(bootstrapP([1, -1, 1, -1])).toBe(1);
  });

  it('draws 1000 times 400 tiles of 8 rows in well under a second', () => {
    const records = tiles(400, 30, 1);
    const draws = tileDraws(400, 1000);
    const started = process.cpuUsage().user;
    for (let row = 0; row < 8; row++) scoreDraws(tileSums(records), draws, rmse);
    expect((process.cpuUsage().user - started) / 1e6).toBeLessThan(1);
  });
});

const models: SeededModel[] = [
  { label: 'oracle', bound: 'in-sample', parameters: null, seeds: [tiles(30, 10, 'o')], runs: ['oracle'] },
  { label: 'base', parameters: 8, seeds: [tiles(30, 40, 'b')], runs: ['base'] },
  {
    label: 'good & new',
    parameters: 9,
    seeds: [1, 2, 3].map((seed) => tiles(30, 25, seed)),
    runs: ['s/new-s1', 's/new-s2', 's/new-s10'],
  },
  { label: 'same', parameters: 9, seeds: [tiles(30, 40, 'c')], runs: ['same'], missing: ['same-s2'] },
];

describe('ablationTables', () => {
  const options = { caption: 'Test', baseline: 'base', draws: 300 };

  it('says mean ± sd, differences, significance, gap and runs', () => {
    const table = ablationTables(models, ['x', 'y'], options).comparison;
    const text = markdownTable(table);
    const line = (label: string) => text.split('\n').find((row) => row.startsWith(`| ${label}`))!;
    expect(line('good & new')).toMatch(/\*\*\d+\.\d ± \d\.\d\*\*/);
    expect(line('good & new')).not.toContain('ⁿˢ');
    expect(line('good & new')).toContain('s/new-s{1,2,10}');
    expect(line('same')).toContain('ⁿˢ');
    expect(line('same')).toContain('1 of 2');
    expect(text).toContain('same: without same-s2, not finished.');
    expect(
      text
        .trimEnd()
        .split('\n')
        .findIndex((row) => row.startsWith('| oracle')),
    ).toBeGreaterThan(text.split('\n').indexOf(line('same')));
    const gap = table.rows[1].cells[table.columns.findIndex(({ label }) => label === 'gap closed')];
    const [base, good, , oracle] = table.rows.map(
      ({ cells }) =>
        (cells[table.columns.findIndex(({ label }) => label === 'RMSE mean')] as { value: number }).value,
    );
    expect(gap).toBeCloseTo((100 * (base - good)) / (base - oracle), 9);
  });

  it('gives the same bytes each time, and LaTeX that compiles in text mode', () => {
    const [one, two] = [0, 1].map(() => ablationTables(models, ['x', 'y'], options).statistics);
    expect(csvTable(one)).toBe(csvTable(two));
    const tex = latexTable(ablationTables(models, ['x', 'y'], options).comparison);
    expect(tex).toContain('good \\& new');
    expect(tex).not.toMatch(/[ⁿˢΔ−²±×]/);
  });

  it('adds a column of published values only where a file gives them', () => {
    const paper = {
      source: 'values.json',
      columns: ['RMSE x'],
      digits: () => 2,
      rows: ['base'],
      value: (row: string) => (row === 'base' ? 12.34 : null),
    };
    const label = 'paper: RMSE x';
    expect(ablationTables(models, ['x', 'y'], options).comparison.columns.map((c) => c.label)).not.toContain(
      label,
    );
    const table = ablationTables(models, ['x', 'y'], { ...options, paper }).comparison;
    const at = table.columns.findIndex((column) => column.label === label);
    expect(table.rows.map(({ cells }) => cells[at])).toEqual([12.34, null, null, null]);
  });

  it('writes tags as a shell expands them', () => {
    expect(bracedTags(['a/x-s1', 'a/x-s2', 'a/x-s10'])).toBe('a/x-s{1,2,10}');
    expect(bracedTags(['a/x-s11', 'a/x-s12'])).toBe('a/x-s{11,12}');
    expect(bracedTags(['one'])).toBe('one');
  });
});
