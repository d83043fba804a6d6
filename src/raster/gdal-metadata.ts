import { attribute, elements, parseXml, textOf } from './xml.js';

/**
 * A number as GDAL reads one from text: what leads it, `0 0 0 0` is 0; a comma may stand for the point; `nan`, `inf`
 * and Microsoft's `1.#QNAN` and `-1.#INF`; 0 where nothing leads it. Null for empty text.
 */
export const gdalNumber = (text: string): number | null => {
  const plain = text.replace(/\0.*$/s, '').trim();
  if (plain === '') return null;
  if (/^[-+]?(?:nan|1\.#(?:qnan|ind|snan))/i.test(plain)) return Number.NaN;
  if (/^[-+]?(?:inf|1\.#inf)/i.test(plain))
    return plain.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const hex = /^([-+]?)(0x[0-9a-f]+)/i.exec(plain);
  if (hex) return Number(hex[2]) * (hex[1] === '-' ? -1 : 1);
  const number = /^[-+]?(?:\d+[.,]?\d*|[.,]\d+)(?:e[-+]?\d+)?/i.exec(plain);
  return number ? Number(number[0].replace(',', '.')) : 0;
};

/** What GDAL says of one band. Null: it says nothing. */
export interface BandStatement {
  name: string | null;
  scale: number | null;
  offset: number | null;
  /** GDAL's name of a colour interpretation, lower case: `red`, `alpha`, `undefined` … */
  colour: string | null;
  nodata: number | null;
}

export const silentBand: BandStatement = {
  name: null,
  scale: null,
  offset: null,
  colour: null,
  nodata: null,
};

/** GDAL escapes values twice where it writes them into TIFF: the parser has undone the first. */
const unescapeAgain = (text: string): string =>
  text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');

/** GDAL's metadata tag: statements of the bands by their role, and items of the image by name. */
export interface GdalMetadata {
  bands: BandStatement[];
  items: Record<string, string>;
}

/**
 * Reads GDAL's metadata tag as GDAL does: a scale, an offset, a description or a colour is what has that role; an item
 * that is merely called so is not.
 * @throws Error where it is not XML
 */
export const readGdalMetadata = async (text: string, bands: number): Promise<GdalMetadata> => {
  const found: GdalMetadata = {
    bands: Array.from({ length: bands }, () => ({ ...silentBand })),
    items: {},
  };
  for (const item of elements(await parseXml(text), 'Item')) {
    const value = unescapeAgain(textOf(item) ?? '');
    const sample = attribute(item, 'sample');
    if (sample === null) {
      found.items[attribute(item, 'name') ?? ''] = value;
      continue;
    }
    const band = found.bands[Number(sample)];
    const role = attribute(item, 'role')?.toLowerCase();
    if (!band) continue;
    if (role === 'description') band.name = value;
    else if (role === 'colorinterp') band.colour = value.toLowerCase();
    else if (role === 'scale') band.scale = gdalNumber(value);
    else if (role === 'offset') band.offset = gdalNumber(value);
  }
  return found;
};
