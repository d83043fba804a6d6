import { crc32 } from 'node:zlib';
import { reason } from '../fault.js';
import { type CacheFile, createCacheFile, readBytes, removeDamaged } from './cache-file.js';
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
  /** Where each column begins, in bytes, and the CRC-32 of its rows. */
  columns: Record<keyof TableColumns, { offset: number; checksum: number }>;
}

const columnNames = (shape: TableShape): (keyof TableColumns)[] =>
  Object.keys(columnWidths(shape)) as (keyof TableColumns)[];

const bytesOf = (column: ArrayBufferView): Uint8Array =>
  new Uint8Array(column.buffer, column.byteOffset, column.byteLength);

/** Rows that are written together. */
const rowsPerWrite = 64;

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
 * @param capacity rows at most; the space of those that are not added stays a hole in the file
 */
export const statisticsWriter = async (
  folder: string,
  shape: TableShape,
  capacity: number,
): Promise<StatisticsWriter> => {
  const held = makeColumns(shape, Math.min(rowsPerWrite, capacity));
  const width = columnWidths(shape);
  const bytesPerRow = (name: keyof TableColumns): number => width[name]! * held[name]!.BYTES_PER_ELEMENT;
  const total = columnNames(shape).reduce((sum, name) => sum + capacity * bytesPerRow(name), 0);
  const writer = await createCacheFile(folder, () => total);
  const columns = Object.fromEntries(
    columnNames(shape).map((name) => [
      name,
      { offset: writer.reserve(capacity * bytesPerRow(name)), checksum: 0 },
    ]),
  ) as StatisticsIndex['columns'];
  let [written, waiting] = [0, 0];
  const flush = async (): Promise<void> => {
    for (const name of columnNames(shape)) {
      const size = bytesPerRow(name);
      const rows = bytesOf(held[name]!).subarray(0, waiting * size);
      const column = columns[name];
      await writer.write(rows, column.offset + written * size);
      column.checksum = crc32(rows, column.checksum);
    }
    written += waiting;
    waiting = 0;
  };
  return {
    add: async (patch) => {
      setRow(held, shape, waiting++, patch);
      if (waiting === rowsPerWrite) await flush();
    },
    finish: async (path, rows) => {
      await flush();
      await writer.finish(path, { shape, ...rows, columns } satisfies StatisticsIndex);
    },
    discard: writer.discard,
  };
};

const isIndex = (value: unknown): value is StatisticsIndex => {
  const index = (value ?? {}) as Partial<StatisticsIndex>;
  const isTexts = (texts: unknown): boolean =>
    Array.isArray(texts) && texts.every((text) => typeof text === 'string');
  return (
    isTexts(index.ids) &&
    isTexts(index.tiles) &&
    isTexts(index.skipped) &&
    index.ids?.length === index.tiles?.length &&
    typeof index.columns === 'object'
  );
};

/** What a file of statistics says of its rows. */
export type StatisticsRows = Pick<StatisticsIndex, 'ids' | 'tiles' | 'skipped'>;

/** The index of a file, where it is that of statistics of this shape. */
const indexOf = ({ path, index, end }: CacheFile, shape: TableShape): StatisticsIndex => {
  if (!isIndex(index) || JSON.stringify(index.shape) !== JSON.stringify(shape))
    throw removeDamaged(path, 'its index');
  // before memory is taken for it
  if (index.ids.length * shape.bandMax.length * Math.max(shape.knots, shape.bins) > end)
    throw removeDamaged(path, 'its index');
  return index;
};

/** Fills `pieces` one after the other from a column of a file, and checks it as a whole. */
const readColumn = async (
  { path, file }: CacheFile,
  { columns }: StatisticsIndex,
  name: keyof TableColumns,
  pieces: Iterable<Uint8Array>,
): Promise<void> => {
  const { offset: begin, checksum } = columns[name] ?? {};
  let offset = begin;
  let found = 0;
  for (const piece of pieces) {
    await readBytes(file, piece, offset).catch((error: unknown) => {
      throw removeDamaged(path, `column ${name}: ${reason(error)}`);
    });
    found = crc32(piece, found);
    offset += piece.length;
  }
  if (found !== checksum) throw removeDamaged(path, `column ${name}`);
};

/**
 * Reads a whole table of one shape and checks every column; closes the file.
 * @throws Fault where the file is of another shape or damaged; it is removed then
 */
export const readStatistics = async (
  stored: CacheFile,
  shape: TableShape,
): Promise<{ table: StatisticsTable; skipped: string[] }> => {
  try {
    const index = indexOf(stored, shape);
    const { ids, tiles, skipped } = index;
    const columns = makeColumns(shape, ids.length);
    for (const name of columnNames(shape)) await readColumn(stored, index, name, [bytesOf(columns[name]!)]);
    return { table: { bands: shape.bandMax.length, ...shape, ids, tiles, ...columns }, skipped };
  } finally {
    await stored.file.close();
  }
};

/**
 * Checks all of a file as {@link readStatistics} does, without holding it; closes the file.
 * @throws Fault where the file is of another shape or damaged; it is removed then
 */
export const checkStatistics = async (stored: CacheFile, shape: TableShape): Promise<StatisticsRows> => {
  try {
    const index = indexOf(stored, shape);
    const held = makeColumns(shape, rowsPerWrite);
    for (const name of columnNames(shape)) {
      const room = bytesOf(held[name]!);
      const pieces = function* (): Generator<Uint8Array> {
        for (let row = 0; row < index.ids.length; row += rowsPerWrite)
          yield room.subarray(
            0,
            (room.length / rowsPerWrite) * Math.min(rowsPerWrite, index.ids.length - row),
          );
      };
      await readColumn(stored, index, name, pieces());
    }
    const { ids, tiles, skipped } = index;
    return { ids, tiles, skipped };
  } finally {
    await stored.file.close();
  }
};
