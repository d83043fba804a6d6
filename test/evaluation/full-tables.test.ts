import { describe, expect, it } from 'vitest';
import { calibrationTable } from '../../src/evaluation/calibration-table.js';
import { datasetTable } from '../../src/evaluation/dataset-table.js';
import { groupTable } from '../../src/evaluation/group-table.js';
import type { TileRecord } from '../../src/evaluation/tile-record.js';
import { noErrors } from '../../src/metrics/error-sums.js';

/** A test tile of one band whose RMSE over 100 pixels is given. */
const tile = (name: string, rmse: number, more: Partial<TileRecord> = {}): TileRecord => ({
  split: 'test',
  tile: name,
  region: 'north',
  date: '20200115',
  patches: 1,
  bands: [{ ...noErrors(), n: 100, squared: 100 * rmse ** 2, absolute: 100 * rmse }],
  ndvi: null,
  ...more,
});

const model = (label: string, ...seeds: TileRecord[][]) => ({ label, parameters: 1, seeds, runs: [label] });

describe('datasetTable', () => {
  it('tells of each dataset how one row differs from another on the same tiles', () => {
    const tiles = [8, 9, 10, 11, 12].map((rmse, i) => tile(`t${i}`, rmse));
    const better = tiles.map((record, i) => tile(`t${i}`, Math.sqrt(record.bands[0].squared / 100) - 1));
    const table = datasetTable(
      [{ dataset: 'demo', bands: ['red'], models: [model('old', tiles), model('new', better)] }],
      { caption: '', model: 'new', baseline: 'old', draws: 999 },
    );
    const [dataset, count, old, own, ratio, difference, p] = table.rows[0].cells;
    expect([dataset, count]).toEqual(['demo', 5]);
    expect(old).toBeCloseTo(Math.sqrt((64 + 81 + 100 + 121 + 144) / 5), 9);
    expect(ratio).toBeCloseTo((own as number) / (old as number), 9);
    // every tile gains one, and so does every draw, almost
    expect(difference).toBe('−0.99 [−1.00, −0.98]');
    expect(p).toBe('≤0.0020');
  });
});

describe('groupTable', () => {
  it('pools the pixels of each group and averages over seeds', () => {
    const seed = (rmse: number): TileRecord[] => [
      tile('a', rmse),
      tile('b', rmse, { region: 'south' }),
      tile('c', 3 * rmse, { region: 'south' }),
    ];
    const { columns, rows } = groupTable([model('m', seed(1), seed(3))], '', ({ region }) => region);
    expect(columns.map(({ label }) => label)).toEqual(['model', 'north', 'south']);
    const [, north, south] = rows[0].cells;
    expect(north).toBe(2);
    // √((1 + 9) / 2) and three times that
    expect(south).toBeCloseTo(2 * Math.sqrt(5), 9);
  });
});

describe('calibrationTable', () => {
  it('counts the tiles whose error was in its interval, and those above', () => {
    const expected = { rmse: [10], low: [8], high: [12] };
    const tiles = [7, 8, 10, 12, 13].map((rmse, i) => tile(`t${i}`, rmse, { expected }));
    const { rows } = calibrationTable([{ label: 'here', tiles }], ['red'], '');
    const [label, count, red, all, above, ratio] = rows[0].cells;
    expect([label, count, red, all, above]).toEqual(['here', 5, 60, 60, 20]);
    expect(ratio).toBeCloseTo((7 * 8 * 10 * 12 * 13) ** 0.2 / 10, 9);
  });

  it('leaves out tiles that nothing was said of', () => {
    const { rows } = calibrationTable([{ label: 'here', tiles: [tile('t', 9)] }], ['red'], '');
    expect(rows[0].cells[2]).toBeNaN();
  });
});
