import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openCacheFile } from '../../src/dataset/cache-file.js';
import { readStatistics, statisticsWriter } from '../../src/dataset/statistics-file.js';
import { makeColumns, setRow, type TableColumns } from '../../src/dataset/statistics-table.js';

const shape = { knots: 3, bins: 5, bandMax: [10, 20] };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-statistics-'));
});
afterEach(() => rm(folder, { recursive: true }));

/** Columns of patch `row`: other numbers at every place of every patch. */
const patch = (row: number): TableColumns => {
  const columns = makeColumns(shape, 1);
  for (const [c, column] of Object.values(columns).entries())
    for (let k = 0; k < column.length; k++) column[k] = 1000 * row + 100 * c + k;
  return columns;
};

const write = async (rows: number, capacity: number): Promise<string> => {
  const writer = await statisticsWriter(folder, shape, capacity);
  for (let row = 0; row < rows; row++) await writer.add(patch(row));
  const path = join(folder, 'statistics.bin');
  const ids = Array.from({ length: rows }, (_, row) => `R/${row}.tif`);
  await writer.finish(path, { ids, tiles: ids, skipped: ['R/none.tif'] });
  return path;
};

test.each([
  [1, 1],
  [64, 64],
  [65, 200],
  [200, 201],
])('%i rows in space for %i are read as they were added', async (rows, capacity) => {
  const { table, skipped } = await readStatistics((await openCacheFile(await write(rows, capacity)))!, shape);
  const expected = makeColumns(shape, rows);
  for (let row = 0; row < rows; row++) setRow(expected, shape, row, patch(row));
  expect(table).toMatchObject({ bands: 2, ...shape, ...expected });
  expect(table.ids).toHaveLength(rows);
  expect(skipped).toEqual(['R/none.tif']);
});

test('a damaged column, or another shape, is a fault that removes the file', async () => {
  const path = await write(3, 3);
  const opened = await openCacheFile(path);
  const bytes = await readFile(path);
  bytes[64 + 5] ^= 1;
  await writeFile(path, bytes);
  await expect(readStatistics(opened!, shape)).rejects.toThrow(
    /^cache: .*statistics.bin; is damaged \(column constant\): it was removed, run again and it is built anew$/,
  );
  await write(3, 3);
  await expect(readStatistics((await openCacheFile(path))!, { ...shape, knots: 4 })).rejects.toThrow(
    /its index/,
  );
  expect(await readdir(folder)).toEqual([]);
});

test('what is not finished leaves nothing', async () => {
  const writer = await statisticsWriter(folder, shape, 100);
  for (let row = 0; row < 100; row++) await writer.add(patch(row));
  await writer.discard();
  expect(await readdir(folder)).toEqual([]);
});
