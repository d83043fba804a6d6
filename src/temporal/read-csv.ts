import Papa from 'papaparse';
import type { Acquisition, Catalog, Outline } from './acquisition.js';
import { type AssignedColumns, type ColumnPart, type Role, roles } from './columns.js';
import { boxOutline, type Fields, type ReadContext, readFields } from './fields.js';

/**
 * Columns taken for a role that no mapping names, the first that the header has, several joined with a dash: ours, then
 * the names of STAC, USGS EarthExplorer, the Copernicus Browser and CNSA's platform, in any case.
 */
const usual: Record<Role, readonly (readonly string[])[]> = {
  tile: [
    ...[['tile'], ['s2:mgrs_tile'], ['grid:code'], ['mgrs_tile'], ['tileId']],
    ...[
      ['landsat:wrs_path', 'landsat:wrs_row'],
      ['WRS Path', 'WRS Row'],
      ['wrs_path', 'wrs_row'],
    ],
    ['ScenePath', 'SceneRow'],
  ],
  sensor: [['sensor'], ['platform'], ['Satellite'], ['SatelliteID'], ['platformSerialIdentifier']],
  datetime: [
    ...[['datetime'], ['date'], ['time'], ['Acquisition Date'], ['Date Acquired'], ['beginningDateTime']],
    ...[['ContentDate:Start'], ['Sensing time'], ['CenterTime'], ['ReceiveTime']],
  ],
  clear: [['clear_fraction'], ['clear']],
  cloud: [
    ...[['eo:cloud_cover'], ['cloud_cover'], ['cloud'], ['Scene Cloud Cover L1'], ['Land Cloud Cover']],
    ...[['cloudCover'], ['CloudPercent']],
  ],
  nodata: [],
  id: [['id'], ['Landsat Product Identifier L2'], ['Landsat Product Identifier L1'], ['Name'], ['SceneID']],
  bbox: [['bbox']],
};

/** WRS numbers in three digits, as in `033-032`; other parts as they are. */
const joinParts = (columns: readonly string[], parts: readonly string[]): string =>
  /wrs/i.test(columns[0]) && parts.every((part) => /^\d{1,3}$/.test(part.trim()))
    ? parts.map((part) => part.trim().padStart(3, '0')).join('-')
    : parts.join('-');

type Reader = (row: readonly string[]) => string;

const partReader = (part: ColumnPart, header: readonly string[]): Reader => {
  if ('constant' in part) return () => part.constant;
  const index = header.indexOf(part.column);
  return (row) => row[index] ?? '';
};

/** Readers by role; what the header lacks is left in `faults`. */
const resolve = (
  file: string,
  header: readonly string[],
  { mapping }: AssignedColumns,
  faults: string[],
): { readers: Partial<Record<Role, Reader>>; taken: string[] } => {
  const readers: Partial<Record<Role, Reader>> = {};
  const taken: string[] = [];
  const told = mapping.clear !== undefined || mapping.cloud !== undefined;
  for (const role of roles) {
    const parts = mapping[role];
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
    if (role === 'cloud' && readers.clear) continue;
    const spelt = (name: string): string | undefined =>
      header.find((column) => column.toLowerCase() === name.toLowerCase());
    const found = usual[role].find((names) => names.every((name) => spelt(name) !== undefined));
    if (found === undefined) continue;
    const columns = found.map((name) => spelt(name) as string);
    const read = columns.map((column) => partReader({ column }, header));
    readers[role] =
      read.length === 1
        ? // EarthExplorer names a Landsat by its number alone
          role === 'sensor' && /^satellite$/i.test(columns[0])
          ? (row) => read[0](row).replace(/^[4-9]$/, 'landsat-$&')
          : read[0]
        : (row) =>
            joinParts(
              columns,
              read.map((one) => one(row)),
            );
    if (found !== usual[role][0] || role === 'cloud') taken.push(`${role}=${columns.join('+')}`);
  }
  const missing = (['tile', 'sensor', 'datetime'] as const).filter((role) => readers[role] === undefined);
  if (!readers.clear && !readers.cloud) missing.push('cloud' as never);
  for (const role of missing)
    faults.push(
      `${file}: no column for ${role === ('cloud' as string) ? 'cloud or clear' : role}; name it with --columns ${role}=COLUMN; there are ${header.join(', ')}`,
    );
  return { readers, taken };
};

const parseBox = (text: string): Outline | null => {
  try {
    return boxOutline(JSON.parse(text));
  } catch {
    return null;
  }
};

/**
 * Reads acquisitions from CSV text with a header. By default the columns are `tile,sensor,datetime,clear_fraction`,
 * or STAC's names for them; `columns` names others. A column `simulated` marks a catalog of the simulator.
 * Faults are left in `context.faults`, each with its line.
 */
export const readCsv = (
  text: string,
  file: string,
  columns: AssignedColumns,
  context: ReadContext,
): Catalog => {
  const acquisitions: Acquisition[] = [];
  const outlines = new Map<string, Outline>();
  const notes: string[] = [];
  let header: string[] | null = null;
  let readers: Partial<Record<Role, Reader>> = {};
  let simulatedColumn = -1;
  let usable = true;
  let simulated = false;
  // the parser counts characters; lines are counted here, as a quoted field may hold several
  let line = 1;
  let counted = 0;
  const source = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  const lineBreak = Papa.parse(source, { preview: 1 }).meta.linebreak;
  const step = (
    row: string[],
    cursor: number,
    problems: readonly { message: string }[],
    stop: () => void,
  ): void => {
    const here = line;
    for (let at = source.indexOf('\n', counted); at >= 0 && at < cursor; at = source.indexOf('\n', at + 1))
      line += 1;
    counted = cursor;
    if (row.length === 1 && row[0].trim() === '') return;
    if (problems.length > 0) {
      context.faults.push(`${file} line ${here}: ${problems[0].message.toLowerCase()}; mend the row`);
      return;
    }
    if (header === null) {
      header = row.map((name) => name.trim());
      const before = context.faults.length;
      const resolved = resolve(file, header, columns, context.faults);
      readers = resolved.readers;
      if (resolved.taken.length > 0)
        notes.push(`${file}: columns taken by name: ${resolved.taken.join(', ')}`);
      simulatedColumn = header.indexOf('simulated');
      usable = context.faults.length === before;
      if (!usable) stop();
      return;
    }
    if (row.length !== header.length) {
      context.faults.push(
        `${file} line ${here}: ${row.length} columns where the header has ${header.length}; mend the row`,
      );
      return;
    }
    const fields: Fields = {
      tile: readers.tile?.(row),
      sensor: readers.sensor?.(row),
      datetime: readers.datetime?.(row),
      clear: readers.clear?.(row),
      cloud: readers.cloud?.(row),
      nodata: readers.nodata?.(row),
      id: readers.id?.(row),
    };
    const acquisition = readFields(fields, `${file} line ${here}`, context);
    if (acquisition === null) return;
    acquisitions.push(acquisition);
    if (simulatedColumn >= 0 && /^(true|1|yes)$/i.test(row[simulatedColumn])) simulated = true;
    if (readers.bbox && !outlines.has(acquisition.tile)) {
      const outline = parseBox(readers.bbox(row));
      if (outline) outlines.set(acquisition.tile, outline);
    }
  };
  Papa.parse<string[]>(source, {
    newline: lineBreak as '\n' | '\r\n' | '\r',
    step: (result, parser) =>
      step(
        result.data,
        result.meta.cursor,
        result.errors.filter(({ type }) => type === 'Quotes'),
        () => parser.abort(),
      ),
  });
  if (usable && (header === null || (acquisitions.length === 0 && line <= 2 && context.faults.length === 0)))
    context.faults.push(`${file}: the catalog holds no items; give one with at least one acquisition`);
  return { acquisitions, outlines, simulated, notes };
};
