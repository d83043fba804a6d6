import { didYouMean } from '../config/spelling.js';
import { Fault } from '../fault.js';

/** What a catalog's columns (or a STAC item's properties) can be read as. */
export const roles = ['tile', 'sensor', 'datetime', 'cloud', 'clear', 'nodata', 'id', 'bbox'] as const;
export type Role = (typeof roles)[number];

/** What the program also looks for by name, though no mapping names it. */
export type Field = Role | 'start' | 'end';

/**
 * Columns and properties known by name, the first that is there, several joined with a dash: ours, then STAC, USGS
 * EarthExplorer, the Copernicus Browser (OData, OpenSearch), CNSA's platforms and Earth Engine.
 */
export const knownColumns: Record<Field, readonly (readonly string[])[]> = {
  tile: [
    ...[
      ['tile'],
      ['s2:mgrs_tile'],
      ['grid:code'],
      ['mgrs:utm_zone', 'mgrs:latitude_band', 'mgrs:grid_square'],
    ],
    ...[['mgrs_tile'], ['tileId'], ['tileIdentifier'], ['Tile Number']],
    ...[
      ['landsat:wrs_path', 'landsat:wrs_row'],
      ['WRS Path', 'WRS Row'],
      ['wrs_path', 'wrs_row'],
    ],
    ...[
      ['ScenePath', 'SceneRow'],
      ['Path', 'Row'],
    ],
  ],
  sensor: [
    ...[['sensor'], ['SatelliteID', 'SensorID'], ['platformShortName', 'platformSerialIdentifier']],
    ...[['platform'], ['Satellite'], ['SatelliteID'], ['platformSerialIdentifier'], ['constellation']],
    ...[['SPACECRAFT_NAME'], ['SPACECRAFT_ID'], ['卫星', '传感器'], ['卫星']],
  ],
  datetime: [
    ...[
      ['datetime'],
      ['date'],
      ['time'],
      ['Acquisition Date'],
      ['Date Acquired'],
      ['Acquisition Start Date'],
    ],
    ...[['beginningDateTime'], ['ContentDate:Start'], ['startDate'], ['Sensing time'], ['Sensing start']],
    ...[['CenterTime'], ['ReceiveTime'], ['sensing_time'], ['采集时间'], ['接收时间'], ['成像时间']],
  ],
  start: [['start_datetime']],
  end: [['end_datetime']],
  clear: [['clear_fraction'], ['clear']],
  cloud: [
    ...[['eo:cloud_cover'], ['cloud_cover'], ['cloud'], ['Scene Cloud Cover L1'], ['Land Cloud Cover']],
    ...[['Cloud Cover'], ['cloudCover'], ['CloudPercent'], ['CLOUDY_PIXEL_PERCENTAGE'], ['云量']],
  ],
  nodata: [],
  id: [
    ...[['id'], ['Landsat Product Identifier L2'], ['Landsat Product Identifier L1'], ['Vendor Product ID']],
    ...[
      ['Name'],
      ['title'],
      ['s2:product_uri'],
      ['product_id'],
      ['Display ID'],
      ['SceneID'],
      ['system:index'],
    ],
  ],
  bbox: [['bbox']],
};

/** Parts of a value as one text: WRS numbers in three digits (`033-032`), an MGRS tile run together. */
export const joinParts = (columns: readonly string[], parts: readonly string[]): string => {
  if (columns[0].startsWith('mgrs:')) return parts.join('');
  return /wrs/i.test(columns[0]) && parts.every((part) => /^\s*\d{1,3}\s*$/.test(part))
    ? parts.map((part) => part.trim().padStart(3, '0')).join('-')
    : parts.join('-');
};

/** One part of a value: a column's, or a constant. */
export type ColumnPart = { column: string } | { constant: string };

/** How the columns of one catalog are read: parts of a role are joined with a dash. */
export type ColumnMapping = Partial<Record<Role, ColumnPart[]>>;

/** A mapping as it is asked for: for one file (its path or name), or for every catalog that has columns. */
export interface ColumnRequest {
  file: string | null;
  mapping: ColumnMapping;
}

const rolePattern = new RegExp(`^(?:(.+?):)?((?:${roles.join('|')})=.*)$`, 's');

/** Splits at `separator` outside of single or double quotes. */
const splitOutsideQuotes = (text: string, separator: string): string[] => {
  const parts = [''];
  let quote = '';
  for (const letter of text) {
    if (quote === '' && letter === separator) parts.push('');
    else {
      if (quote === '' && (letter === "'" || letter === '"')) quote = letter;
      else if (letter === quote) quote = '';
      parts[parts.length - 1] += letter;
    }
  }
  return parts;
};

const readPart = (text: string): ColumnPart => {
  const constant = /^(['"])(.*)\1$/s.exec(text.trim());
  return constant ? { constant: constant[2] } : { column: text.trim() };
};

/**
 * Reads one `--columns`: `tile=COLUMN,sensor=COLUMN,datetime=COLUMN,cloud=COLUMN`, where `+` joins columns with a
 * dash and a value in quotes is a constant (`tile=wrs_path+wrs_row`, `sensor='landsat-8'`). With a file before it
 * (`landsat.csv:tile='13TDE'`) it speaks of that catalog only. `cloud` is in percent, `clear` a fraction of 1;
 * `nodata`, percent, makes the clear share one of the whole tile instead of the part that was seen.
 */
export const parseColumns = (text: string): ColumnRequest => {
  const match = rolePattern.exec(text.trim());
  if (match === null)
    throw new Fault(`--columns: ${text}; write tile=COLUMN,sensor=COLUMN,…, with one of ${roles.join(', ')}`);
  const faults: string[] = [];
  const mapping: ColumnMapping = {};
  for (const entry of splitOutsideQuotes(match[2], ',')) {
    const at = entry.indexOf('=');
    const role = entry.slice(0, at).trim() as Role;
    const parts = splitOutsideQuotes(entry.slice(at + 1), '+').map(readPart);
    if (at < 0 || !roles.includes(role))
      faults.push(
        `--columns: ${entry}; ${didYouMean(role, roles)}write NAME=COLUMN with a name of ${roles.join(', ')}`,
      );
    else if (mapping[role] !== undefined) faults.push(`--columns: ${role}; given twice`);
    else if (parts.some((part) => 'column' in part && part.column === ''))
      faults.push(`--columns: ${entry}; a column's name is missing`);
    else mapping[role] = parts;
  }
  if (mapping.cloud && mapping.clear)
    faults.push('--columns: cloud and clear; give the cloud in percent or the clear fraction, not both');
  if (faults.length > 0) throw new Fault(faults);
  return { file: match[1] ?? null, mapping };
};

/** The last part of a path. */
const nameOf = (path: string): string => path.split(/[\\/]/).pop() ?? path;

/** A catalog's mapping; `named` where it was meant for this very catalog (a STAC file needs none). */
export interface AssignedColumns {
  mapping: ColumnMapping;
  named: boolean;
}

/**
 * Which request speaks of which catalog. One request without a file speaks of every catalog; as many as there are
 * catalogs, of each in order. A request with a file comes before both.
 */
export const assignColumns = (
  catalogs: readonly string[],
  requests: readonly ColumnRequest[],
): AssignedColumns[] => {
  const open = requests.filter(({ file }) => file === null);
  const faults = requests
    .filter(({ file }) => file !== null && !catalogs.some((path) => path === file || nameOf(path) === file))
    .map(({ file }) => `--columns: ${file}; no such catalog among ${catalogs.map(nameOf).join(', ')}`);
  if (open.length > 1 && open.length !== catalogs.length)
    faults.push(
      `--columns: ${open.length} without a file for ${catalogs.length} catalogs; give one for all, one for each in order, or put FILE: before it`,
    );
  if (faults.length > 0) throw new Fault(faults);
  return catalogs.map((path, index) => {
    const own =
      requests.find(({ file }) => file === path) ?? requests.find(({ file }) => file === nameOf(path));
    if (own) return { mapping: own.mapping, named: true };
    const shared = open.length > 1 ? open[index] : open[0];
    return { mapping: shared?.mapping ?? {}, named: open.length > 1 || catalogs.length === 1 };
  });
};

/** The sensor that a mapping names itself, by a constant; null where a column tells it. */
export const constantSensor = ({ mapping: { sensor } }: ColumnRequest): string | null => {
  const constants = (sensor ?? []).flatMap((part) => ('constant' in part ? [part.constant] : []));
  return constants.length > 0 && constants.length === sensor?.length ? constants.join('-') : null;
};
