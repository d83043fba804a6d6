import { Readable } from 'node:stream';
import Papa from 'papaparse';
import { Fault } from '../fault.js';
import type { Acquisition, Catalog, Outline } from './acquisition.js';
import {
  type AssignedColumns,
  type ColumnPart,
  type Field,
  joinParts,
  knownColumns,
  type Role,
  roles,
} from './columns.js';
import { placeName } from './common-grid.js';
import { type ReadContext, readFields } from './fields.js';
import { footprintReader, middleReader, textOutline } from './footprint.js';
import { centreOf } from './mgrs-tile.js';

type Reader = (row: readonly string[]) => string;

const partReader = (part: ColumnPart, header: readonly string[]): Reader => {
  if ('constant' in part) return () => part.constant;
  const index = header.indexOf(part.column);
  return (row) => row[index] ?? '';
};

type Readers = Partial<Record<Field, Reader>>;

/** The reader of a field by columns known by name, and these; null where the header has none of them. */
const knownReader = (field: Field, header: readonly string[]): { read: Reader; columns: string[] } | null => {
  const spelt = (name: string): string | undefined =>
    header.find((column) => column.toLowerCase() === name.toLowerCase());
  const found = knownColumns[field].find((names) => names.every((name) => spelt(name) !== undefined));
  if (found === undefined) return null;
  const columns = found.map((name) => spelt(name) as string);
  const parts = columns.map((column) => partReader({ column }, header));
  if (parts.length > 1)
    return {
      read: (row) =>
        joinParts(
          columns,
          parts.map((part) => part(row)),
        ),
      columns,
    };
  const [read] = parts;
  // EarthExplorer names a Landsat by its number alone
  return field === 'sensor' && /^satellite$/i.test(columns[0])
    ? { read: (row) => read(row).replace(/^[4-9]$/, 'landsat-$&'), columns }
    : { read, columns };
};

/** Readers by field; what the header lacks is left in `faults`. */
const resolve = (
  file: string,
  header: readonly string[],
  { mapping }: AssignedColumns,
  hasFootprint: boolean,
  faults: string[],
): { readers: Readers; taken: string[] } => {
  const readers: Readers = {};
  const taken: string[] = [];
  const told = mapping.clear !== undefined || mapping.cloud !== undefined;
  for (const role of [...roles, 'start', 'end'] as Field[]) {
    const parts = mapping[role as Role];
    if (parts) {
      for (const part of parts)
        if ('column' in part && !header.includes(part.column))
          faults.push(
            `${file}: column ${part.column} for ${role} is not in the header; there are ${header.join(', ')} (a constant goes in quotes)`,
          );
      const read = parts.map((part) => partReader(part, header));
      readers[role] = read.length === 1 ? read[0] : (row) => read.map((one) => one(row)).join('-');
      continue;
    }
    if (told && (role === 'clear' || role === 'cloud')) continue;
    // a clear share of our own goes before cloud
    if (role === 'cloud' && knownReader('clear', header)) continue;
    const known = knownReader(role, header);
    if (known === null) continue;
    readers[role] = known.read;
    if (role === 'cloud' || known.columns[0].toLowerCase() !== knownColumns[role][0][0])
      taken.push(`${role}=${known.columns.join('+')}`);
  }
  // a product's name tells the rest, and a footprint the place
  const missing: string[] = readers.id
    ? []
    : (['tile', 'sensor', 'datetime'] as const).filter(
        (role) =>
          readers[role] === undefined &&
          !(role === 'tile' && hasFootprint) &&
          !(role === 'datetime' && readers.start && readers.end),
      );
  if (!readers.clear && !readers.cloud) missing.push('cloud');
  for (const role of missing)
    faults.push(
      `${file}: no column for ${role === 'cloud' ? 'cloud or clear' : role}; name it with --columns ${role}=COLUMN; there are ${header.join(', ')}`,
    );
  return { readers, taken };
};

/** What one row of the file says; its cells as they are written. */
type ReadRow = (row: readonly string[], line: number) => void;

/** A row that a quote never closed would hold the rest of the file. */
const longestRow = 1 << 24;

/** Rows of CSV text, with the line on which each begins, as a quoted cell may hold several. Resolves when all are read. */
const eachRow = async (
  pieces: AsyncIterable<string>,
  file: string,
  read: ReadRow,
  report: (fault: string) => void,
): Promise<void> => {
  let line = 1;
  let [given, taken] = [0, 0];
  const bounded = async function* (): AsyncGenerator<string> {
    for await (const piece of pieces) {
      given += piece.length;
      if (given - taken > longestRow)
        throw new Fault(`${file} line ${line}: a row of more than 16 MB; close its quotes`);
      yield piece;
    }
  };
  await new Promise<void>((resolve, reject) => {
    Papa.parse<string[]>(Readable.from(bounded()), {
      chunk: ({ data, errors, meta }) => {
        taken = meta.cursor;
        const problems = new Map(
          errors.filter(({ type }) => type === 'Quotes').map(({ row, message }) => [row, message]),
        );
        for (const [index, row] of data.entries()) {
          const here = line;
          line += 1;
          for (const cell of row) if (cell.includes('\n')) line += cell.split('\n').length - 1;
          if (row.length === 1 && row[0].trim() === '') continue;
          const problem = problems.get(index);
          if (problem === undefined) read(row, here);
          else report(`${file} line ${here}: ${problem.toLowerCase()}; mend the row`);
        }
      },
      complete: () => resolve(),
      error: reject,
    });
  });
};

/**
 * Reads acquisitions from CSV text with a header. Columns are taken by their names, {@link knownColumns}, unless `columns`
 * names others; a product's name in an id column tells what has no column. A column `simulated` marks a catalog of the
 * simulator.
 * Faults are left in `context.faults`, each with its line.
 */
export const readCsv = async (
  pieces: AsyncIterable<string>,
  file: string,
  columns: AssignedColumns,
  context: ReadContext,
): Promise<Catalog> => {
  const acquisitions: Acquisition[] = [];
  const outlines = new Map<string, Outline>();
  const notes: string[] = [];
  const before = context.faults.length;
  let header: string[] | null = null;
  let readers: Readers = {};
  let footprint: ReturnType<typeof footprintReader> = null;
  let place: ((row: readonly string[]) => string | null) | null = null;
  let simulatedColumn = -1;
  let usable = true;
  let rows = 0;
  let simulated = false;
  /** Rows without a tile go by their middle: as columns tell it, else that of their footprint. */
  const placeFrom = (names: readonly string[], taken: string[]): void => {
    const [outlineOf, middle] = [footprint, middleReader(names)];
    if (middle) {
      footprint = null;
      taken.push(`place=${middle.columns.join('+')}`);
      place = (cells) => {
        const point = middle.read(cells);
        return point && placeName(point);
      };
    } else if (outlineOf)
      place = (cells) => {
        const outline = outlineOf(cells);
        return outline && placeName(centreOf(outline));
      };
  };
  const readHeader = (row: readonly string[]): void => {
    header = row.map((name) => name.trim());
    footprint = columns.mapping.bbox
      ? (cells) => textOutline(readers.bbox?.(cells) ?? '')
      : footprintReader(header);
    const resolved = resolve(file, header, columns, footprint !== null, context.faults);
    readers = resolved.readers;
    if (!readers.tile) placeFrom(header, resolved.taken);
    if (resolved.taken.length > 0) notes.push(`${file}: columns taken by name: ${resolved.taken.join(', ')}`);
    simulatedColumn = header.indexOf('simulated');
    usable = context.faults.length === before;
  };
  const readRow = (row: readonly string[], line: number): void => {
    if (header === null) {
      readHeader(row);
      return;
    }
    if (!usable) return;
    rows += 1;
    if (row.length !== header.length) {
      context.faults.push(
        `${file} line ${line}: ${row.length} columns where the header has ${header.length}; mend the row`,
      );
      return;
    }
    const acquisition = readFields(
      {
        tile: readers.tile?.(row),
        sensor: readers.sensor?.(row),
        datetime: readers.datetime?.(row),
        start: readers.start?.(row),
        end: readers.end?.(row),
        clear: readers.clear?.(row),
        cloud: readers.cloud?.(row),
        nodata: readers.nodata?.(row),
        id: readers.id?.(row),
        place: () => place?.(row) ?? null,
      },
      () => `${file} line ${line}`,
      context,
    );
    if (acquisition === null) return;
    acquisitions.push(acquisition);
    if (simulatedColumn >= 0 && /^(true|1|yes)$/i.test(row[simulatedColumn])) simulated = true;
    if (footprint && !outlines.has(acquisition.tile)) {
      const outline = footprint(row);
      if (outline) outlines.set(acquisition.tile, outline);
    }
  };
  await eachRow(pieces, file, readRow, (fault) => context.faults.push(fault));
  if (rows === 0 && context.faults.length === before)
    context.faults.push(`${file}: the catalog holds no items; give one with at least one acquisition`);
  return { acquisitions, outlines, simulated, notes };
};
