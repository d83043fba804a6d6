import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reason } from '../fault.js';

export const listNames = ['train', 'val', 'test'] as const;
/** The three lists of a dataset. */
export type ListName = (typeof listNames)[number];

/** One line of a list, `Region/tile_date-col-row.tif`, taken apart. */
export interface ListedPatch {
  id: string;
  region: string;
  file: string;
  tile: string;
  date: string;
  /** Which list and line, for messages. */
  where: string;
}

const linePattern = /^([^\\]+)\/((.+)_(\d{8})-(\d+)-(\d+)\.tiff?)$/i;

/** Takes a line apart; null where it is not `Region/tile_YYYYMMDD-col-row.tif`. */
export const parseListLine = (line: string, where: string): ListedPatch | null => {
  const found = linePattern.exec(line);
  if (!found) return null;
  const [, region, file, tile, date] = found;
  // a list must not lead out of its dataset
  if (region.split('/').some((part) => part === '' || part === '.' || part === '..')) return null;
  return { id: line, region, file, tile, date, where };
};

/**
 * Reads one list: a patch a line, blank lines ignored, final newline and CRLF as they come.
 * Returns what could be read and every fault: missing, empty, a malformed line, a line that stands twice.
 */
export const readList = async (path: string): Promise<{ patches: ListedPatch[]; faults: string[] }> => {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    const fault = missing
      ? `list: ${path}; no such file, give the folder of the lists with --divide`
      : `list: ${path}; cannot be read (${reason(error)})`;
    return { patches: [], faults: [fault] };
  }
  // a text in UTF-16, or no text at all, has zeros
  if (bytes.includes(0)) return { patches: [], faults: [`list: ${path}; not UTF-8 text, save it as UTF-8`] };
  const faults: string[] = [];
  const seen = new Map<string, ListedPatch>();
  bytes
    .toString()
    .replace(/^\uFEFF/, '')
    .split('\n')
    .forEach((raw, index) => {
      const line = raw.trim();
      if (line === '') return;
      const where = `${path}:${index + 1}`;
      const patch = parseListLine(line, where);
      const twin = seen.get(line);
      if (!patch)
        faults.push(
          `list: ${where}: ${line.slice(0, 200)}; not Region/tile_YYYYMMDD-col-row.tif, mend the line`,
        );
      else if (twin)
        faults.push(`list: ${where}: ${line}; stands in line ${twin.where.split(':').at(-1)} already`);
      else seen.set(line, patch);
    });
  if (seen.size === 0 && faults.length === 0) faults.push(`list: ${path}; empty, it must name a patch`);
  return { patches: [...seen.values()], faults };
};

/** Reads the three lists of a folder, with the faults of all. */
export const readLists = async (
  folder: string,
): Promise<{ lists: Record<ListName, ListedPatch[]>; faults: string[] }> => {
  const read = await Promise.all(listNames.map((name) => readList(join(folder, `${name}.txt`))));
  const [train, val, test] = read.map(({ patches }) => patches);
  return { lists: { train, val, test }, faults: read.flatMap(({ faults }) => faults) };
};
