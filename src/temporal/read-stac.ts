import type { Acquisition, Catalog, Outline } from './acquisition.js';
import type { AssignedColumns, ColumnPart, Role } from './columns.js';
import { dayOf, parseTime } from './days.js';
import { boxOutline, type Fields, type ReadContext, readFields } from './fields.js';

type Json = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A property as text; undefined where it is absent, null or no scalar. */
const text = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;

const mgrsOf = (properties: Json): string | undefined => {
  const parts = [
    properties['mgrs:utm_zone'],
    properties['mgrs:latitude_band'],
    properties['mgrs:grid_square'],
  ];
  return parts.every((part) => part !== undefined && part !== null) ? parts.join('') : undefined;
};

const wrsOf = (properties: Json): string | undefined => {
  const [path, row] = [text(properties['landsat:wrs_path']), text(properties['landsat:wrs_row'])];
  return path === undefined || row === undefined
    ? undefined
    : `${path.padStart(3, '0')}-${row.padStart(3, '0')}`;
};

/** `grid:code` is `MGRS-13TDE`, `WRS2-033032`: the grid's name is not the tile's. */
const gridOf = (code: string | undefined): string | undefined => {
  if (code === undefined) return undefined;
  const wrs = /^WRS2-(\d{3})(\d{3})$/.exec(code);
  return wrs ? `${wrs[1]}-${wrs[2]}` : code.replace(/^[A-Z0-9]+-/, '');
};

const tileOf = (properties: Json): string | undefined =>
  text(properties['s2:mgrs_tile']) ??
  mgrsOf(properties) ??
  gridOf(text(properties['grid:code'])) ??
  wrsOf(properties);

/** STAC lets `datetime` be null beside a start and an end: taken where both lie on one day, refused otherwise. */
const datetimeOf = (properties: Json): string | undefined => {
  const own = text(properties['datetime']);
  if (own !== undefined) return own;
  const [start, end] = [text(properties['start_datetime']), text(properties['end_datetime'])];
  const [from, to] = [parseTime(start ?? ''), parseTime(end ?? '')];
  return from !== null && to !== null && dayOf(from) === dayOf(to) ? start : undefined;
};

/** What is wrong with an item that is made of images of several days. */
const compositeFault = (properties: Json): string | undefined => {
  if (text(properties['datetime']) !== undefined) return undefined;
  const [start, end] = [text(properties['start_datetime']), text(properties['end_datetime'])];
  const [from, to] = [parseTime(start ?? ''), parseTime(end ?? '')];
  return from !== null && to !== null && dayOf(from) !== dayOf(to)
    ? `a composite: start_datetime ${start} and end_datetime ${end} are days apart, so it has no day of its own; leave composites out, or take their start with --columns datetime=start_datetime`
    : undefined;
};

/** The outer ring of a polygon, or of a multipolygon's first part, without the repeated last point. */
const ringOf = (geometry: unknown): Outline | null => {
  if (!isObject(geometry) || !Array.isArray(geometry['coordinates'])) return null;
  const { coordinates } = geometry as { coordinates: unknown[] };
  const polygon = geometry['type'] === 'MultiPolygon' ? coordinates[0] : coordinates;
  const ring: unknown = Array.isArray(polygon) ? polygon[0] : null;
  if (!Array.isArray(ring) || ring.length < 4) return null;
  const points = ring.map((point) => (Array.isArray(point) ? [Number(point[0]), Number(point[1])] : []));
  return points.every(([lon, lat]) => Number.isFinite(lon) && Number.isFinite(lat))
    ? (points.slice(0, -1) as [number, number][])
    : null;
};

const mapped = (parts: ColumnPart[] | undefined, properties: Json): string | undefined => {
  if (parts === undefined) return undefined;
  const values = parts.map((part) => ('constant' in part ? part.constant : text(properties[part.column])));
  return values.includes(undefined) ? '' : values.join('-');
};

const fieldsOf = (item: Json, properties: Json, { mapping, named }: AssignedColumns): Fields => {
  const own = (role: Role): string | undefined => (named ? mapped(mapping[role], properties) : undefined);
  const clear = own('clear');
  return {
    tile: own('tile') ?? tileOf(properties),
    sensor: own('sensor') ?? text(properties['platform']) ?? text(properties['constellation']),
    datetime: own('datetime') ?? datetimeOf(properties),
    clear,
    cloud: clear === undefined ? (own('cloud') ?? text(properties['eo:cloud_cover'])) : undefined,
    nodata: own('nodata'),
    id: text(item['id']) ?? '',
  };
};

/** The items of whatever a STAC search was saved as: a collection of features, one item, or a list of pages. */
const itemsOf = (document: unknown): unknown[] | null => {
  if (Array.isArray(document)) {
    const pages = document.map(itemsOf);
    return pages.includes(null) ? null : pages.flatMap((page) => page ?? []);
  }
  if (!isObject(document)) return null;
  if (document['type'] === 'Feature') return [document];
  return Array.isArray(document['features']) ? document['features'] : null;
};

/** How many items the search matched, where the document says so. */
const matchedOf = (document: unknown): number | null => {
  if (!isObject(document)) return null;
  const context = isObject(document['context']) ? document['context'] : {};
  const matched = document['numberMatched'] ?? document['numMatched'] ?? context['matched'];
  return typeof matched === 'number' ? matched : null;
};

/** A page that names a next one is not the whole search. */
const hasNextPage = (document: unknown): boolean =>
  isObject(document) &&
  Array.isArray(document['links']) &&
  document['links'].some((link) => isObject(link) && link['rel'] === 'next');

/**
 * Reads STAC items (an ItemCollection, any FeatureCollection of items, one item, a list of these) from parsed JSON.
 * Tile: `s2:mgrs_tile`, `mgrs:*`, `grid:code`, or WRS path and row; sensor: `platform`; cloud: `eo:cloud_cover`.
 * A mapping meant for this file reads other properties. Faults are left in `context.faults` with the item's id.
 */
export const readStac = (
  document: unknown,
  file: string,
  columns: AssignedColumns,
  context: ReadContext,
): Catalog => {
  const acquisitions: Acquisition[] = [];
  const outlines = new Map<string, Outline>();
  const notes: string[] = [];
  let simulated = false;
  const items = itemsOf(document);
  if (items === null)
    context.faults.push(`${file}: not STAC items; give an ItemCollection or FeatureCollection`);
  else if (items.length === 0)
    context.faults.push(`${file}: the catalog holds no items; give one with at least one acquisition`);
  items?.forEach((item, index) => {
    const properties = isObject(item) ? item['properties'] : undefined;
    if (!isObject(item) || !isObject(properties)) {
      context.faults.push(`${file} item ${index + 1}: no properties; give STAC items`);
      return;
    }
    const where = `${file} item ${text(item['id']) ?? index + 1}`;
    const composite = columns.named && columns.mapping.datetime ? undefined : compositeFault(properties);
    if (composite !== undefined) {
      context.faults.push(`${where}: ${composite}`);
      return;
    }
    const acquisition = readFields(fieldsOf(item, properties, columns), where, context);
    if (acquisition === null) return;
    acquisitions.push(acquisition);
    if (properties['simulated'] === true) simulated = true;
    if (!outlines.has(acquisition.tile)) {
      const outline = boxOutline(item['bbox']) ?? ringOf(item['geometry']);
      if (outline) outlines.set(acquisition.tile, outline);
    }
  });
  const matched = matchedOf(document);
  if (items && matched !== null && matched > items.length)
    notes.push(
      `${file}: ${items.length} of ${matched} matched items; the other pages must be among the catalogs`,
    );
  else if (items && matched === null && hasNextPage(document))
    notes.push(`${file}: it has a link to a next page; that must be among the catalogs`);
  return { acquisitions, outlines, simulated, notes };
};
