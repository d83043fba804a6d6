import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { syntheticMarker } from '../dataset/synth/marker.js';
import { Fault } from '../fault.js';
import { type Catalog, joinCatalogs } from './acquisition.js';
import { type AssignedColumns, assignColumns, type ColumnRequest } from './columns.js';
import { gridPlaces } from './common-grid.js';
import type { ReadContext } from './fields.js';
import { readCsv } from './read-csv.js';
import { readNames } from './read-names.js';
import { readPaperLayout } from './read-paper-layout.js';
import { readStac } from './read-stac.js';
import { knownSensors } from './sensors.js';
import { joinPieces, textPieces } from './text-pieces.js';

const nothing = (): Catalog => ({ acquisitions: [], outlines: new Map(), simulated: false, notes: [] });

/** What a file is, by its name and the beginning of its text. */
const kindOf = (path: string, text: string): 'json' | 'lines' | 'csv' | 'names' => {
  const extension = extname(path).toLowerCase();
  if (['.ndjson', '.jsonl', '.geojsonl'].includes(extension)) return 'lines';
  if (['.json', '.geojson'].includes(extension)) return 'json';
  if (extension === '.csv' || extension === '.tsv') return 'csv';
  const start = text.trimStart();
  if (start.startsWith('{') || start.startsWith('[')) return 'json';
  return start.split('\n', 1)[0].includes(',') ? 'csv' : 'names';
};

/** Least number of cloud values that tell percent from fractions. */
const tellingClouds = 3;

/**
 * Cloud of a file without a value above 1 is taken as a fraction of 1, unless a mapping says that it is in percent: the
 * clear shares are set anew, and the note says so.
 */
const tellFractions = (path: string, { acquisitions }: Catalog, context: ReadContext): string[] => {
  const clouds = context.clouds ?? [];
  let [count, highest] = [0, 0];
  for (const cloud of clouds) {
    if (Number.isNaN(cloud)) continue;
    count += 1;
    highest = Math.max(highest, cloud);
  }
  if (count < tellingClouds || highest === 0 || highest > 1) return [];
  if (context.percent)
    return [
      `${path}: no cloud value is above 1, and all are read as percent; were they fractions, give the clear share with --columns clear=COLUMN`,
    ];
  clouds.forEach((cloud, index) => {
    const image = acquisitions[index];
    if (!Number.isNaN(cloud)) image.clear = (image.clear! / ((100 - cloud) / 100)) * (1 - cloud);
  });
  return [
    `${path}: no cloud value is above 1: read as fractions of 1; were they percent, say --columns cloud=COLUMN`,
  ];
};

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
  const rest = textPieces(path);
  try {
    const head = (await rest.next()).value ?? '';
    if (head.trim() === '') {
      context.faults.push(`${path}: the catalog holds no items; give one with at least one acquisition`);
      return nothing();
    }
    const pieces = (async function* () {
      yield head;
      yield* rest;
    })();
    const kind = kindOf(path, head);
    if (kind === 'csv') return await readCsv(pieces, path, columns, context);
    if (kind === 'names') return readNames(await joinPieces(pieces), path, context);
    return await readStac(pieces, path, kind === 'lines', columns, context);
  } finally {
    // the file is closed also where its first piece was enough
    await rest.return();
  }
};

/** The catalog of a file; what makes the file unreadable is left in `context.faults`. */
const readSound = async (path: string, columns: AssignedColumns, context: ReadContext): Promise<Catalog> => {
  try {
    return await readOne(path, columns, context);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    context.faults.push(...error.faults);
    // what was read until then is no part of the catalog
    context.clouds = [];
    context.others = new Map();
    return nothing();
  }
};

/** What marks the data of a folder as synthetic; undefined where nothing does. */
const syntheticOf = async (path: string, isFolder: boolean): Promise<unknown> => {
  const text = await readFile(join(isFolder ? path : dirname(path), syntheticMarker), 'utf8').catch(
    () => null,
  );
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
};

const marked = async (path: string, catalog: Catalog): Promise<Catalog> => {
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const synthetic = catalog.acquisitions.length > 0 ? await syntheticOf(path, isFolder) : undefined;
  if (synthetic === undefined) return catalog;
  const name = basename(resolve(isFolder ? path : dirname(path)));
  const note = `${name}: synthetic images (${syntheticMarker}); their dates are simulated`;
  return { ...catalog, simulated: true, synthetic: [synthetic], notes: [...catalog.notes, note] };
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
    context.clouds = [];
    context.percent = assigned[index].mapping.cloud !== undefined;
    context.others = new Map();
    const catalog = await marked(path, await readSound(path, assigned[index], context));
    const notes = [
      ...catalog.notes,
      ...tellFractions(path, catalog, context),
      ...otherNotes(path, catalog, context),
    ];
    catalogs.push({ ...catalog, notes });
  }
  if (context.faults.length > 0) throw new Fault(context.faults);
  return gridPlaces(joinCatalogs(catalogs));
};
