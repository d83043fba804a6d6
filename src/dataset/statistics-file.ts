import { type CacheFile, createCacheFile, readBlock } from './cache-file.js';
import {
  columnWidths,
  makeColumns,
  type StatisticsTable,
  setRow,
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

/** Rows that wait to be written together. */
const rowsHeld = 64;

/** A file of statistics that is being written, row by row: memory holds a few rows whatever their number. */
export interface StatisticsWriter {
  /** Takes the columns of one patch as the next row. */
  add: (patch: TableColumns) => Promise<void>;
  /** Writes what is left and renames the file to `path`; `ids` and `tiles` name the rows that were added. */
  finish: (path: string, rows: { ids: string[]; tiles: string[]; skipped: string[] }) => Promise<void>;
  /** Removes the file; nothing happens after `finish`. */
  discard: () => Promise<void>;
}

/**
 * Begins a file of statistics in `folder`.
 * @param capacity rows at most; room for those that are not added stays a hole in the file
 */
export const statisticsWriter = async (
  folder: string,
  shape: TableShape,
  capacity: number,
): Promise<StatisticsWriter> => {
  const held = makeColumns(shape, Math.min(rowsHeld, capacity));
  const width = columnWidths(shape);
  const bytesPerRow = (name: keyof TableColumns): number =>
    shape.bandMax.length * width[name] * held[name].BYTES_PER_ELEMENT;
  const total = names(shape).reduce((sum, name) => sum + capacity * bytesPerRow(name), 0);
  const writer = await createCacheFile(folder, () => total);
  const offsets = Object.fromEntries(
    names(shape).map((name) => [name, writer.reserve(capacity * bytesPerRow(name))]),
  ) as StatisticsIndex['offsets'];
  let [written, waiting] = [0, 0];
  const flush = async (): Promise<void> => {
    for (const name of names(shape)) {
      const size = bytesPerRow(name);
      await writer.write(bytesOf(held[name]).subarray(0, waiting * size), offsets[name] + written * size);
    }
    written += waiting;
    waiting = 0;
  };
  return {
    add: async (patch) => {
      setRow(held, shape, waiting++, patch);
      if (waiting === rowsHeld) await flush();
    },
    finish: async (path, rows) => {
      await flush();
      await writer.finish(path, { shape, ...rows, offsets });
    },
    discard: writer.discard,
  };
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
