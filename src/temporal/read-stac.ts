import { Fault, reason } from '../fault.js';
import type { Acquisition, Catalog, Outline } from './acquisition.js';
import {
  type AssignedColumns,
  type ColumnPart,
  type Field,
  joinParts,
  knownColumns,
  type Role,
} from './columns.js';
import { placeName } from './common-grid.js';
import { type Fields, type ReadContext, readFields } from './fields.js';
import { boxOutline, geometryOutline, textOutline } from './footprint.js';
import { type ItemPlace, readJsonItems } from './json-items.js';
import { centreOf } from './mgrs-tile.js';

type Json = { readonly [key: string]: unknown };

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A property as text; undefined where it is absent, null or no scalar. */
const text = (value: unknown): string | undefined =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;

/** `grid:code` is `MGRS-13TDE`, `WRS2-033032`: the grid's name is not the tile's. */
const gridTile = (code: string): string => {
  const wrs = /^WRS2-(\d{3})(\d{3})$/.exec(code);
  return wrs ? `${wrs[1]}-${wrs[2]}` : code.replace(/^[A-Z0-9]+-/, '');
};

/** The first property known by name that the item has. */
const known = (field: Field, properties: Json): string | undefined => {
  for (const names of knownColumns[field]) {
    const parts = names.map((name) => text(properties[name]));
    if (parts.includes(undefined)) continue;
    if (names[0] === 'grid:code') return gridTile(parts[0]!);
    return parts.length === 1 ? parts[0] : joinParts(names, parts as string[]);
  }
  return undefined;
};

const mapped = (parts: ColumnPart[] | undefined, properties: Json): string | undefined => {
  if (parts === undefined) return undefined;
  const values = parts.map((part) => ('constant' in part ? part.constant : text(properties[part.column])));
  return values.includes(undefined) ? '' : values.join('-');
};

/** Properties in which catalogs write the product's name, where the item's id is a number of their own. */
const nameProperties = ['title', 's2:product_uri', 'productIdentifier', 'landsat:scene_id'];

const fieldsOf = (item: Json, properties: Json, { mapping, named }: AssignedColumns): Fields => {
  const own = (role: Role): string | undefined => (named ? mapped(mapping[role], properties) : undefined);
  const clear = own('clear');
  const id = text(item['id']) ?? '';
  return {
    tile: own('tile') ?? known('tile', properties),
    sensor: own('sensor') ?? known('sensor', properties),
    datetime: own('datetime') ?? known('datetime', properties),
    start: known('start', properties),
    end: known('end', properties),
    clear,
    cloud: clear === undefined ? (own('cloud') ?? known('cloud', properties)) : undefined,
    nodata: own('nodata'),
    id,
    names: [id, ...nameProperties.map((key) => text(properties[key]) ?? '')],
  };
};

const outlineOf = ({ geometry, bbox }: Json): Outline | null =>
  (typeof geometry === 'string' ? textOutline(geometry) : geometryOutline(geometry)) ?? boxOutline(bbox);

/** A product of Copernicus' OData as an item: its attributes are its properties, its name the id. */
const odataItem = (product: Json): Json => {
  const listed = Array.isArray(product['Attributes']) ? product['Attributes'].filter(isObject) : [];
  const date = isObject(product['ContentDate']) ? product['ContentDate'] : {};
  return {
    id: product['Name'],
    geometry: product['GeoFootprint'] ?? product['Footprint'],
    properties: {
      ...Object.fromEntries(listed.map((one) => [String(one['Name']), one['Value']])),
      'ContentDate:Start': date['Start'],
    },
  };
};

/** The items of whatever a STAC search was saved as: a collection of features, one item, or a list of pages. */
const itemsOf = (document: unknown, within = 0): unknown[] | null => {
  if (Array.isArray(document)) {
    const pages = within > 100 ? [null] : document.map((page) => itemsOf(page, within + 1));
    return pages.includes(null) ? null : pages.flatMap((page) => page ?? []);
  }
  if (!isObject(document)) return null;
  if (document['type'] === 'Feature') return [document];
  if (Array.isArray(document['value']) && !Array.isArray(document['features'])) return document['value'];
  return Array.isArray(document['features']) ? document['features'] : null;
};

/** How many items the search matched, where the document says so. */
const matchedOf = (document: unknown): number | null => {
  if (!isObject(document)) return null;
  const context = isObject(document['context']) ? document['context'] : {};
  const matched =
    document['numberMatched'] ?? document['numMatched'] ?? document['@odata.count'] ?? context['matched'];
  return typeof matched === 'number' ? matched : null;
};

/** A page that names a next one is not the whole search. */
const hasNextPage = (document: unknown): boolean =>
  isObject(document) &&
  (typeof document['@odata.nextLink'] === 'string' ||
    (Array.isArray(document['links']) &&
      document['links'].some((link) => isObject(link) && link['rel'] === 'next')));

/** What is read of a file's JSON: `read` gets each item, or each page where the file is a list of them. */
type ReadDocument = (read: (value: unknown, place: ItemPlace) => void) => Promise<unknown>;

/** One JSON document. */
const wholeDocument =
  (pieces: AsyncIterable<string>, file: string): ReadDocument =>
  async (read) => {
    try {
      return await readJsonItems(pieces, read);
    } catch (error) {
      if (error instanceof SyntaxError)
        throw new Fault(`${file}: not whole JSON (${reason(error)}); fetch the file again`);
      if (error instanceof RangeError) throw new Fault(`${file}: ${error.message}; give STAC items`);
      throw error;
    }
  };

/** A document on each line. */
const documentOfLines =
  (pieces: AsyncIterable<string>, file: string, context: ReadContext): ReadDocument =>
  async (read) => {
    let [rest, line] = ['', 0];
    const readLine = (text: string): void => {
      line += 1;
      if (text.trim() === '') return;
      try {
        read(JSON.parse(text) as unknown, 'list');
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        context.faults.push(`${file} line ${line}: not whole JSON (${reason(error)}); fetch the file again`);
      }
    };
    for await (const piece of pieces) {
      const lines = piece.split('\n');
      lines[0] = rest + lines[0];
      rest = lines.pop()!;
      lines.forEach(readLine);
    }
    readLine(rest);
    return [];
  };

/**
 * Reads STAC items (an ItemCollection, any FeatureCollection of items, one item, a list of these, one a line;
 * Copernicus' OData too). Properties are taken by their names, {@link knownColumns}; a product's name tells what they
 * lack. A mapping meant for this file reads other properties. Faults are left in `context.faults` with the item's id.
 */
export const readStac = async (
  pieces: AsyncIterable<string>,
  file: string,
  lines: boolean,
  columns: AssignedColumns,
  context: ReadContext,
): Promise<Catalog> => {
  const acquisitions: Acquisition[] = [];
  const outlines = new Map<string, Outline>();
  const notes: string[] = [];
  let simulated = false;
  const before = context.faults.length;
  let count = 0;
  let known = true;
  const readItem = (found: unknown): void => {
    count += 1;
    const item = isObject(found) && found['ContentDate'] ? odataItem(found) : found;
    const properties = isObject(item) ? item['properties'] : undefined;
    if (!isObject(item) || !isObject(properties)) {
      context.faults.push(`${file} item ${count}: no properties; give STAC items`);
      return;
    }
    const where = `${file} item ${text(item['id']) ?? count}`;
    const place = (): string | null => {
      const outline = outlineOf(item);
      return outline && placeName(centreOf(outline));
    };
    const fields = { ...fieldsOf(item, properties, columns), place };
    const acquisition = readFields(fields, () => where, context);
    if (acquisition === null) return;
    acquisitions.push(acquisition);
    if (properties['simulated'] === true) simulated = true;
    if (!outlines.has(acquisition.tile)) {
      const outline = outlineOf(item);
      if (outline) outlines.set(acquisition.tile, outline);
    }
  };
  const readPage = (page: unknown): void => {
    const items = itemsOf(page);
    if (items === null) known = false;
    else items.forEach(readItem);
  };
  const readDocument = lines ? documentOfLines(pieces, file, context) : wholeDocument(pieces, file);
  const document = await readDocument((value, place) => (place === 'list' ? readPage : readItem)(value));
  if (isObject(document) && document['type'] === 'Feature') readItem(document);
  else if (!Array.isArray(document) && itemsOf(document) === null) known = false;
  if (!known) context.faults.push(`${file}: not STAC items; give an ItemCollection or FeatureCollection`);
  else if (count === 0 && context.faults.length === before)
    context.faults.push(`${file}: the catalog holds no items; give one with at least one acquisition`);
  const matched = matchedOf(document);
  if (matched !== null && matched > count)
    notes.push(`${file}: ${count} of ${matched} matched items; the other pages must be among the catalogs`);
  else if (matched === null && hasNextPage(document))
    notes.push(`${file}: it has a link to a next page; that must be among the catalogs`);
  return { acquisitions, outlines, simulated, notes };
};
