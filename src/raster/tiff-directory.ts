/** TIFF 6.0 field types that are written here, by their codes; 16 is BigTIFF's LONG8. */
const typeCodes = { byte: 1, ascii: 2, short: 3, long: 4, double: 12, long8: 16 } as const;
const typeSizes = { byte: 1, ascii: 1, short: 2, long: 4, double: 8, long8: 8 } as const;

/** One field of an image file directory. `ascii` is UTF-8 text, the final NUL is added here. */
export type TiffField =
  | { tag: number; type: 'ascii'; values: string }
  | { tag: number; type: Exclude<keyof typeof typeCodes, 'ascii'>; values: ArrayLike<number> };

/** Tags by number that the writers use (TIFF 6.0, GeoTIFF 1.1, GDAL's own). */
export const tags = {
  newSubfileType: 254,
  imageWidth: 256,
  imageLength: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  stripOffsets: 273,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  planarConfiguration: 284,
  software: 305,
  predictor: 317,
  tileWidth: 322,
  tileLength: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  extraSamples: 338,
  sampleFormat: 339,
  modelPixelScale: 33550,
  modelTiepoint: 33922,
  modelTransformation: 34264,
  geoKeyDirectory: 34735,
  geoDoubleParams: 34736,
  geoAsciiParams: 34737,
  gdalMetadata: 42112,
  gdalNodata: 42113,
} as const;

const bytesOf = (field: TiffField): number =>
  field.type === 'ascii' ? Buffer.byteLength(field.values) + 1 : field.values.length * typeSizes[field.type];

const even = (position: number): number => position + (position & 1);

/** Bytes that a directory takes with the values that do not fit into its entries. */
export const directorySize = (fields: readonly TiffField[], big: boolean): number => {
  const table = big ? 8 + 20 * fields.length + 8 : 2 + 12 * fields.length + 4;
  const inline = big ? 8 : 4;
  return fields.reduce((size, field) => {
    const bytes = bytesOf(field);
    return bytes > inline ? even(size) + bytes : size;
  }, even(table));
};

const putValues = (view: DataView, at: number, field: TiffField): void => {
  if (field.type === 'ascii') {
    new Uint8Array(view.buffer, view.byteOffset).set(Buffer.from(`${field.values}\0`), at);
    return;
  }
  const { type, values } = field;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (type === 'byte') view.setUint8(at + i, value);
    else if (type === 'short') view.setUint16(at + 2 * i, value, true);
    else if (type === 'long') view.setUint32(at + 4 * i, value, true);
    else if (type === 'double') view.setFloat64(at + 8 * i, value, true);
    else view.setBigUint64(at + 8 * i, BigInt(value), true);
  }
};

/**
 * A little-endian directory that stands at byte `position` of the file (even), its fields sorted by tag.
 * `next` is the byte where the next directory stands, 0 for the last.
 */
export const encodeDirectory = (
  fields: readonly TiffField[],
  position: number,
  next: number,
  big: boolean,
): Uint8Array => {
  const sorted = [...fields].sort((a, b) => a.tag - b.tag);
  const out = new Uint8Array(directorySize(sorted, big));
  const view = new DataView(out.buffer);
  const put = (at: number, value: number, wide: boolean): void =>
    wide ? view.setBigUint64(at, BigInt(value), true) : view.setUint32(at, value, true);
  const inline = big ? 8 : 4;
  if (big) put(0, sorted.length, true);
  else view.setUint16(0, sorted.length, true);
  let entry = big ? 8 : 2;
  let outside = even(entry + sorted.length * (big ? 20 : 12) + inline);
  for (const field of sorted) {
    const bytes = bytesOf(field);
    view.setUint16(entry, field.tag, true);
    view.setUint16(entry + 2, typeCodes[field.type], true);
    put(entry + 4, field.type === 'ascii' ? bytes : field.values.length, big);
    const valueAt = entry + (big ? 12 : 8);
    if (bytes <= inline) putValues(view, valueAt, field);
    else {
      outside = even(outside);
      put(valueAt, position + outside, big);
      putValues(view, outside, field);
      outside += bytes;
    }
    entry += big ? 20 : 12;
  }
  put(entry, next, big);
  return out;
};

/** The first bytes of a little-endian file whose first directory stands at `first`. */
export const encodeHeader = (first: number, big: boolean): Uint8Array => {
  const out = new Uint8Array(big ? 16 : 8);
  const view = new DataView(out.buffer);
  view.setUint16(0, 0x4949, true);
  view.setUint16(2, big ? 43 : 42, true);
  if (big) {
    view.setUint16(4, 8, true);
    view.setBigUint64(8, BigInt(first), true);
  } else view.setUint32(4, first, true);
  return out;
};
