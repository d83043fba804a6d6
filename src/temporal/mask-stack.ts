import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Fault, reason } from '../fault.js';
import { type Georeference, georeferenceConflict } from '../raster/georeference.js';
import { openRaster, withRaster } from '../raster/read.js';
import { dayOf, parseTime } from './days.js';
import { twinMinutes } from './merge.js';
import { readProductName } from './product-names.js';
import { openNpy } from './read-npy.js';

/** Which mask values are clear: any but 0, only 0, or the listed ones (`4,5,6,7,11` of a scene classification). */
export type ClearRule = 'nonzero' | 'zero' | readonly number[];

/** One mask: when, by which sensor, and how its values are read. */
export interface MaskLayer {
  sensor: string;
  /** Milliseconds UTC. */
  time: number;
  /** 1 where clear, row by row. Nodata is never clear. */
  read: () => Promise<Uint8Array>;
}

/** Masks of one place on one grid, by time. */
export interface MaskStack {
  width: number;
  height: number;
  georeference: Georeference | null;
  layers: MaskLayer[];
}

/** Masks of one sensor: GeoTIFFs, folders of them, or one NumPy stack with its times. */
export interface MaskSource {
  sensor: string;
  path: string;
}

export interface MaskOptions {
  /** @default 'nonzero' */
  clear?: ClearRule;
  /** A JSON list of times, ISO 8601, for a NumPy stack: one for each slice. */
  dates?: string;
}

/** `nonzero`, `zero` or a list of values. @throws Fault for anything else */
export const parseClearRule = (text: string): ClearRule => {
  if (text === 'nonzero' || text === 'zero') return text;
  const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (values.some(Number.isNaN))
    throw new Fault(`--clear-if: ${text}; nonzero, zero or a list of values, as 4,5,6,7,11`);
  return values;
};

const isClear = (value: number, rule: ClearRule, nodata: number | null): boolean =>
  value !== nodata &&
  !Number.isNaN(value) &&
  (rule === 'zero' ? value === 0 : rule === 'nonzero' ? value !== 0 : rule.includes(value));

const clearOf = (values: ArrayLike<number>, rule: ClearRule, nodata: number | null): Uint8Array => {
  const clear = new Uint8Array(values.length);
  if (values instanceof Uint8Array) {
    // masks are bytes, nearly always: one look into a table each
    const table = Uint8Array.from({ length: 256 }, (_, value) => Number(isClear(value, rule, nodata)));
    for (let index = 0; index < values.length; index++) clear[index] = table[values[index]];
    return clear;
  }
  for (let index = 0; index < values.length; index++)
    clear[index] = Number(isClear(values[index], rule, nodata));
  return clear;
};

/** The time that a file's name tells: a product's name, or the first eight digits (and a time) in it that are a day. */
const timeOfName = (path: string): number | null => {
  const product = readProductName(path);
  if (product !== null && typeof product !== 'string') return product.time;
  const dates = basename(path).matchAll(/(?<!\d)(?:\d{8}(?:T\d{6})?|\d{4}-\d{2}-\d{2})(?!\d)/g);
  for (const [date] of dates) {
    const time = parseTime(date);
    if (time !== null) return time;
  }
  return null;
};

const readTimes = async (path: string): Promise<(number | null)[]> => {
  let values: unknown;
  try {
    values = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    throw new Fault(`--dates: ${path}; not a JSON list of times (${reason(error)})`);
  }
  if (!Array.isArray(values)) throw new Fault(`--dates: ${path}; not a JSON list of times`);
  return values.map((value) => (typeof value === 'string' ? parseTime(value) : null));
};

const filesOf = async ({ path }: MaskSource): Promise<string[]> => {
  const found = await stat(path).catch(() => null);
  if (found === null) throw new Fault(`mask: ${path}; no such file or folder`);
  if (!found.isDirectory()) return [path];
  const names = (await readdir(path)).filter((name) => /\.tiff?$/i.test(name)).sort();
  if (names.length === 0) throw new Fault(`mask: ${path}; no .tif in the folder`);
  return names.map((name) => join(path, name));
};

interface Grid {
  path: string;
  width: number;
  height: number;
  georeference: Georeference | null;
}

const npyLayers = async (
  { sensor, path }: MaskSource,
  rule: ClearRule,
  dates: string | undefined,
): Promise<{ grid: Grid; layers: MaskLayer[]; faults: string[] }> => {
  const stack = await openNpy(path);
  const grid = { path, width: stack.width, height: stack.height, georeference: null };
  if (dates === undefined)
    throw new Fault(`mask: ${path}; a NumPy stack needs its times, give --dates FILE.json`);
  const times = await readTimes(dates);
  if (times.length !== stack.count)
    throw new Fault(`--dates: ${dates}; ${times.length} times for ${stack.count} masks in ${path}`);
  const faults = times.flatMap((time, index) =>
    time === null ? [`--dates: ${dates} entry ${index + 1}; no ISO 8601 time`] : [],
  );
  const layers = times.map((time, index) => ({
    sensor,
    time: time ?? 0,
    read: async () => clearOf(await stack.read(index), rule, null),
  }));
  return { grid, layers, faults };
};

const tiffLayer = async (
  sensor: string,
  path: string,
  rule: ClearRule,
): Promise<{ grid: Grid | null; layers: MaskLayer[]; faults: string[] }> => {
  const time = timeOfName(path);
  const faults = time === null ? [`mask: ${path}; no date in its name, expected YYYYMMDD`] : [];
  try {
    const raster = await openRaster(path);
    const { width, height, georeference, nodata } = raster;
    await raster.close();
    const read = () =>
      withRaster(path, async (again) => clearOf((await again.read({ bands: [1] }))[0], rule, nodata));
    return {
      grid: { path, width, height, georeference },
      layers: [{ sensor, time: time ?? 0, read }],
      faults,
    };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { grid: null, layers: [], faults: [...faults, ...error.faults] };
  }
};

/**
 * Opens masks of one place; no pixel is read yet. Layers come out by time.
 * @throws Fault with every mask that has no date, cannot be read, or differs from the first in size or place
 */
export const openMasks = async (
  sources: readonly MaskSource[],
  options: MaskOptions = {},
): Promise<MaskStack> => {
  const { clear = 'nonzero', dates } = options;
  const faults: string[] = [];
  const layers: MaskLayer[] = [];
  const grids: Grid[] = [];
  for (const source of sources) {
    for (const path of await filesOf(source)) {
      const found = /\.npy$/i.test(path)
        ? await npyLayers({ ...source, path }, clear, dates)
        : await tiffLayer(source.sensor, path, clear);
      faults.push(...found.faults);
      layers.push(...found.layers);
      if (found.grid) grids.push(found.grid);
    }
  }
  if (grids.length === 0 && faults.length === 0)
    faults.push('mask: none given; name GeoTIFFs, a folder or a .npy');
  const [first] = grids;
  for (const grid of grids.slice(1)) {
    if (grid.width !== first.width || grid.height !== first.height)
      faults.push(
        `mask: ${grid.path}; ${grid.width} × ${grid.height} pixels, ${first.path} has ${first.width} × ${first.height}`,
      );
    else {
      const conflict = georeferenceConflict(first.georeference, grid.georeference, grid.width, grid.height);
      if (conflict) faults.push(`mask: ${grid.path}; ${conflict}, against ${first.path}`);
    }
  }
  if (faults.length > 0) throw new Fault(faults);
  return {
    width: first.width,
    height: first.height,
    georeference: grids.find(({ georeference }) => georeference !== null)?.georeference ?? null,
    layers: layers.sort((a, b) => a.time - b.time),
  };
};

/** Layers of one sensor that are one look: the same UTC day, or less than half an hour after one another. */
export interface Look {
  sensor: string;
  day: number;
  layers: MaskLayer[];
}

/** Merges layers to looks as acquisitions are merged to days: a pixel is clear where any of a look's masks is. */
export const looksOf = (layers: readonly MaskLayer[]): Look[] => {
  const looks: Look[] = [];
  const last = new Map<string, Look>();
  for (const layer of [...layers].sort((a, b) => a.time - b.time)) {
    const open = last.get(layer.sensor);
    const previous = open?.layers[open.layers.length - 1];
    const same =
      open !== undefined &&
      previous !== undefined &&
      (dayOf(layer.time) === open.day || layer.time - previous.time < twinMinutes * 60_000);
    if (same) open.layers.push(layer);
    else {
      const look = { sensor: layer.sensor, day: dayOf(layer.time), layers: [layer] };
      last.set(layer.sensor, look);
      looks.push(look);
    }
  }
  return looks.sort((a, b) => a.day - b.day);
};
