import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { scoreLines, testDocument } from '../../src/cli/score-lines.js';
import { seededRandom } from '../../src/config/random.js';
import { ablationTables } from '../../src/evaluation/ablation-table.js';
import { percentileInterval, tileDraws } from '../../src/evaluation/bootstrap.js';
import { comparisonTable } from '../../src/evaluation/comparison-table.js';
import { metricTable } from '../../src/evaluation/metric-table.js';
import { markdownTable } from '../../src/evaluation/render-table.js';
import { rowStatistics, type SeededModel } from '../../src/evaluation/row-statistics.js';
import { poolTiles, type TileRecord } from '../../src/evaluation/tile-record.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { bandErrors } from '../../src/metrics/error-sums.js';
import { checkMetrics, defineMetric, metrics } from '../../src/metrics/index.js';
import type { Metric } from '../../src/metrics/metric.js';

/** Standard deviation of the error: what is left of the RMSE without the bias. */
const spread = defineMetric({
  name: 'spread',
  label: 'spread',
  unit: 'data',
  digits: 1,
  best: 'low',
  of: ({ n, error, squared }) => Math.sqrt(squared / n - (error / n) ** 2),
});

const bands = ['blue', 'green', 'red', 'nir'];

/** Errors of 40 pixels a tile and band with this bias and standard deviation, about. */
const tiles = (bias: number, noise: number, seed: string | number): TileRecord[] => {
  const [truth, random] = [seededRandom('truth'), seededRandom('errors', seed)];
  return Array.from({ length: 25 }, (_, tile): TileRecord => {
    const sums = () => {
      const target = Int16Array.from({ length: 40 }, () => 500 + 300 * truth.normal());
      const prediction = Float64Array.from(target, (y) => y + bias + noise * random.normal());
      return bandErrors(prediction, { target, mask: new Uint8Array(40).fill(1) }, 0);
    };
    return {
      split: 'test',
      tile: `T${tile}`,
      region: 'r',
      date: '',
      patches: 1,
      bands: bands.map(sums),
      ndvi: { ...sums(), skipped: 0 },
    };
  });
};

const models: SeededModel[] = [
  { label: 'base', parameters: 8, seeds: [tiles(50, 30, 'b')], runs: ['base'] },
  { label: 'same spread', parameters: 8, seeds: [tiles(5, 30, 's')], runs: ['same'] },
  { label: 'better', parameters: 8, seeds: [1, 2].map((s) => tiles(50, 10, s)), runs: ['n-s1', 'n-s2'] },
];

test('a metric is its formula of the error sums, pooled over tiles, in every score', () => {
  const records = models[0].seeds[0];
  const { bands: scores, ndvi } = poolTiles(records);
  for (const score of [...scores, ndvi!])
    expect(score['spread']).toBeCloseTo(Math.sqrt(score['rmse'] ** 2 - score['bias'] ** 2), 9);
  expect(Object.keys(scores[0])).toEqual(['n', 'rmse', 'r2', 'mae', 'bias', 'spread']);
});

test('test prints a column of it, and its JSON has it last', () => {
  const experiment = resolveExperiment({});
  const score = poolTiles(models[0].seeds[0]);
  const [, head, blue] = scoreLines('w on test', experiment, score).split('\n');
  expect(head).toBe('band          RMSE        R2       MAE      bias    spread');
  expect(blue.endsWith(score.bands[0]['spread'].toFixed(1).padStart(10))).toBe(true);
  const document = testDocument(experiment, score, 'test', 'w');
  expect(Object.keys(document)).toEqual(
    'n bands rmse r2 mae bias ndvi split model weights spread'.split(' '),
  );
  expect(document['spread']).toEqual(score.bands.map((band) => band['spread']));
  expect(Object.keys(document['ndvi'] as object)).toEqual('rmse r2 mae bias n skipped spread'.split(' '));
});

test('a comparison has its columns, with the bootstrap interval of the same formula', () => {
  const records = models[0].seeds[0];
  const compared = models.map(({ label, parameters, seeds }) => ({ label, parameters, tiles: seeds[0] }));
  const { columns, rows } = comparisonTable('c', compared, bands, { draws: 200 });
  const labels = columns.map(({ label }) => label);
  expect(labels.filter((label) => label.startsWith('spread'))).toEqual(
    [...bands, 'NDVI'].map((band) => `spread ${band}`),
  );
  const { low, high } = percentileInterval(
    tileDraws(25, 200).map((times) => poolTiles(records, times).bands[1]['spread']),
  );
  expect(rows[0].cells[labels.indexOf('spread green')]).toEqual({
    value: poolTiles(records).bands[1]['spread'],
    spread: `±${((high - low) / 2).toFixed(1)}`,
  });
});

test('a sweep’s table has its mean, interval, difference to the baseline, and marks by its own tests', () => {
  const table = ablationTables(models, bands, { caption: 'c', draws: 300 }).comparison;
  const labels = table.columns.map(({ label }) => label);
  expect(labels).toEqual(
    expect.arrayContaining([
      'spread blue',
      'spread mean',
      'spread NDVI',
      'spread 95 % interval',
      'Δ spread mean',
    ]),
  );
  const cell = (row: number, label: string) => table.rows[row].cells[labels.indexOf(label)];
  // another bias, the same spread: RMSE tells the two apart, the spread does not
  expect(cell(1, 'RMSE mean')).not.toHaveProperty('mark');
  expect(cell(1, 'spread mean')).toHaveProperty('mark', ' ⁿˢ');
  expect(cell(2, 'spread mean')).not.toHaveProperty('mark');
  expect(cell(2, 'Δ spread mean')).toMatch(/^−\d+\.\d\d \[−\d+\.\d\d, −\d+\.\d\d\]$/);
  expect(cell(0, 'Δ spread mean')).toBeNull();
  expect(cell(0, 'spread 95 % interval')).toMatch(/^\[\d+\.\d, \d+\.\d\]$/);
  const lines = ablationTables(models, bands, { caption: 'c', draws: 300 }).statistics.rows.map(
    ({ cells }) => cells[1],
  );
  expect(lines.filter((metric) => metric === 'spread mean')).toHaveLength(3);
});

test('its signed-rank test ranks the tiles’ own values, Holm-corrected over the rows', () => {
  const rows = rowStatistics(models, bands, { baseline: 'base', draws: 0 }).filter(
    ({ measure }) => measure.name === 'spread' && measure.channel === 'mean',
  );
  const [, same, better] = rows.map(({ paired }) => paired!);
  expect(better.wilcoxonHolm).toBeCloseTo(2 * better.wilcoxon, 12);
  expect(better.wilcoxonHolm).toBeLessThan(0.001);
  expect(same.wilcoxonHolm).toBeGreaterThan(0.05);
});

test('--metric takes it: a table of its own, bands as columns', () => {
  const text = markdownTable(metricTable(models, bands, spread, 'test list'));
  expect(text).toContain('| spread blue | spread green | spread red | spread nir |');
  expect(text).toMatch(/\| better \| 2 \| \d+\.\d ± \d\.\d \|/);
});

test('it is tried once before a run, and refused where it gives no number, in one line with its file', () => {
  const file = fileURLToPath(import.meta.url);
  const broken = (of: Metric['of']): Metric =>
    defineMetric({ name: 'broken', label: 'broken', digits: 1, best: null, of });
  broken(() => {
    throw new TypeError('sums.median is not a function\nat …');
  });
  expect(checkMetrics).toThrow(
    `metric: broken; it threw "sums.median is not a function" (${file}), it must give a number`,
  );
  for (const [value, text] of [
    [Number.NaN, 'NaN'],
    [undefined as unknown as number, 'undefined'],
    ['12' as unknown as number, '12'],
  ] as const) {
    broken(() => value);
    expect(checkMetrics).toThrow(
      `metric: broken; it gave ${text} for plausible errors (${file}), it must give a number`,
    );
    expect(() => poolTiles(models[0].seeds[0], undefined, bands)).toThrow(
      `metric: broken; it gave ${text} for band blue (${file}), it must give a number`,
    );
  }
  // no pixels, no value: that is no fault of the metric
  broken(({ n, error }) => error / n);
  checkMetrics();
  expect(
    poolTiles([
      {
        ...models[0].seeds[0][0],
        bands: [bandErrors(new Float64Array(0), { target: new Int16Array(0), mask: new Uint8Array(0) }, 0)],
        ndvi: null,
      },
    ]).bands[0]['broken'],
  ).toBeNaN();
});

test('a definition that cannot be used is refused', () => {
  const valid: Metric = { name: 'own', label: 'own', digits: 1, best: null, of: ({ n }) => n };
  const define = (over: object) => () => defineMetric({ ...valid, ...over });
  expect(define({ name: 'rmse' })).toThrow(/^metric: rmse; exists already, choose another name$/);
  expect(define({ name: 'ndvi' })).toThrow(/^metric: ndvi; records have such a key, choose another name$/);
  expect(define({ of: 3, label: '', digits: 1.5, best: 'lowest' })).toThrow(
    [
      'metric: own; has no function `of` of the error sums',
      'metric: own; has no label',
      'metric: own, digits: 1.5; a whole number from 0 to 20',
      'metric: own, best: lowest; one of low, high, null',
    ].join('\n'),
  );
  expect(metrics().map(({ name }) => name)).not.toContain('own');
});
