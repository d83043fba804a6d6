import { type CacheFile, createCacheFile, readBlock } from './cache-file.js';
import {
  columnWidths,
  makeColumns,
  type StatisticsTable,
  type TableColumns,
  type TableShape,
} from './statistics-table.js';

/** Index of a file of statistics. */
interface StatisticsIndex {
  shape: TableShape;
  ids: string[];
  tiles: string[];
  skipped: string[];
  /** Byte offset of each column. */
  offsets: Record<keyof TableColumns, number>;
}

const names = (shape: TableShape): (keyof TableColumns)[] =>
  Object.keys(columnWidths(shape)) as (keyof TableColumns)[];

const bytesOf = (column: ArrayBufferView): Uint8Array =>
  new Uint8Array(column.buffer, column.byteOffset, column.byteLength);

/** Writes the first `ids.length` rows of `columns` as a cache file. */
export const writeStatistics = async (
  folder: string,
  path: string,
  shape: TableShape,
  columns: TableColumns,
  rows: { ids: string[]; tiles: string[]; skipped: string[] },
): Promise<void> => {
  const cells = rows.ids.length * shape.bandMax.length;
  const width = columnWidths(shape);
  const parts = names(shape).map((name) => [name, columns[name].subarray(0, cells * width[name])] as const);
  const total = parts.reduce((sum, [, part]) => sum + part.byteLength, 0);
  const writer = await createCacheFile(folder, () => total);
  try {
    const offsets: Partial<StatisticsIndex['offsets']> = {};
    for (const [name, part] of parts) offsets[name] = await writer.append(bytesOf(part));
    await writer.finish(path, { shape, ...rows, offsets });
  } finally {
    await writer.discard();
  }
};

/** Reads a whole table; closes the file. */
export const readStatistics = async ({
  file,
  index,
}: CacheFile): Promise<{ table: StatisticsTable; skipped: string[] }> => {
  try {
    const { shape, ids, tiles, skipped, offsets } = index as StatisticsIndex;
    const columns = makeColumns(shape, ids.length);
    for (const name of names(shape)) await readBlock(file, bytesOf(columns[name]), offsets[name]);
    return { table: { bands: shape.bandMax.length, ...shape, ids, tiles, ...columns }, skipped };
  } finally {
    await file.close();
  }
};
