import { readFile, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { Fault, reason } from '../fault.js';
import { isDeeperThan } from '../json-depth.js';
import { type Catalog, joinCatalogs } from './acquisition.js';
import { type AssignedColumns, assignColumns, type ColumnRequest } from './columns.js';
import type { ReadContext } from './fields.js';
import { readCsv } from './read-csv.js';
import { readNames } from './read-names.js';
import { readPaperLayout } from './read-paper-layout.js';
import { readStac } from './read-stac.js';
import { knownSensors } from './sensors.js';

const nothing = (): Catalog => ({ acquisitions: [], outlines: new Map(), simulated: false, notes: [] });

/** Every line of newline-delimited JSON, or the one document. */
const parseJson = (text: string, file: string, lines: boolean, context: ReadContext): unknown => {
  const parse = (part: string, where: string): unknown => {
    try {
      return JSON.parse(part) as unknown;
    } catch (error) {
      context.faults.push(`${where}: not whole JSON (${reason(error)}); fetch the file again`);
      return undefined;
    }
  };
  if (!lines) return parse(text, file);
  return text
    .split('\n')
    .map((line, index) => (line.trim() === '' ? undefined : parse(line, `${file} line ${index + 1}`)))
    .filter((item) => item !== undefined);
};

const readText = async (path: string, context: ReadContext): Promise<string | null> => {
  const bytes = await readFile(path);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    context.faults.push(`${path}: not UTF-8 text; give STAC JSON, CSV or a list of product names`);
    return null;
  }
};

/** What a text is, by its name and its beginning. */
const kindOf = (path: string, text: string): 'json' | 'lines' | 'csv' | 'names' => {
  const extension = extname(path).toLowerCase();
  if (['.ndjson', '.jsonl', '.geojsonl'].includes(extension)) return 'lines';
  if (['.json', '.geojson'].includes(extension)) return 'json';
  if (extension === '.csv' || extension === '.tsv') return 'csv';
  const start = text.trimStart();
  if (start.startsWith('{') || start.startsWith('[')) return 'json';
  return start.split('\n', 1)[0].includes(',') ? 'csv' : 'names';
};

/** Cloud of a whole catalog below 1 % is rather a fraction of 1; it is read as it must be, and said. */
const fractionNotes = (path: string, { percents }: ReadContext): string[] =>
  percents && percents.count > 2 && percents.highest > 0 && percents.highest <= 1
    ? [
        `${path}: no cloud value is above 1, and all are read as percent; were they fractions, give the clear share with --columns clear=COLUMN`,
      ]
    : [];

/** Items of sensors that nobody counts: left out and said, or a fault where a file holds no others. */
const otherNotes = (path: string, { acquisitions }: Catalog, context: ReadContext): string[] => {
  const others = [...(context.others ?? [])].sort(([, a], [, b]) => b - a);
  if (others.length === 0) return [];
  const total = others.reduce((sum, [, count]) => sum + count, 0);
  const listed = others.slice(0, 5).map(([name, count]) => `${name} (${count})`);
  const names = [...listed, ...(others.length > 5 ? [`${others.length - 5} more`] : [])].join(', ');
  if (acquisitions.length > 0)
    return [`${path}: ${total} items of other sensors are left out: ${names}; --sensors counts them`];
  context.faults.push(
    `${path}: no item is of a known sensor: ${names}; known are ${knownSensors.join(', ')} and what --sensors names`,
  );
  return [];
};

const readOne = async (path: string, columns: AssignedColumns, context: ReadContext): Promise<Catalog> => {
  const found = await stat(path).catch(() => null);
  if (found === null) {
    context.faults.push(`catalog: ${path}; no such file or folder`);
    return nothing();
  }
  if (found.isDirectory()) return readPaperLayout(path, context);
  const text = await readText(path, context);
  if (text === null) return nothing();
  if (text.trim() === '') {
    context.faults.push(`${path}: the catalog holds no items; give one with at least one acquisition`);
    return nothing();
  }
  const kind = kindOf(path, text);
  if (kind === 'csv') return readCsv(text, path, columns, context);
  if (kind === 'names') return readNames(text, path, context);
  const document = parseJson(text, path, kind === 'lines', context);
  if (isDeeperThan(100, document)) {
    context.faults.push(`${path}: values lie in more than 100 others; give STAC items`);
    return nothing();
  }
  return document === undefined ? nothing() : readStac(document, path, columns, context);
};

export interface ReadOptions {
  /** From {@link parseColumns}. */
  columns?: readonly ColumnRequest[];
  /** Sensors that the user counts: names the program does not know are then no fault. */
  sensors?: readonly string[];
}

/**
 * Reads catalogs of acquisitions: STAC JSON (also newline-delimited), CSV, lists of product names, and folders in the
 * paper's layout; several are one catalog.
 * @throws Fault with every fault of every file, each with its line or item.
 */
export const readCatalogs = async (
  paths: readonly string[],
  { columns = [], sensors = [] }: ReadOptions = {},
): Promise<Catalog> => {
  if (paths.length === 0)
    throw new Fault('catalog: none given; name STAC JSON, CSV, a list of product names or a dataset folder');
  const context: ReadContext = { named: sensors, faults: [] };
  const assigned = assignColumns(paths, columns);
  const catalogs: Catalog[] = [];
  for (const [index, path] of paths.entries()) {
    context.percents = { count: 0, highest: 0 };
    context.others = new Map();
    const catalog = await readOne(path, assigned[index], context);
    const notes = [...catalog.notes, ...fractionNotes(path, context), ...otherNotes(path, catalog, context)];
    catalogs.push({ ...catalog, notes });
  }
  if (context.faults.length > 0) throw new Fault(context.faults);
  return joinCatalogs(catalogs);
};
