import { createRequire } from 'node:module';
import { fromArrayBuffer } from 'geotiff';
import { reason } from '../fault.js';
import type { ByteSource } from './byte-source.js';
import { epsgKeys } from './crs.js';
import { silentBand } from './gdal-metadata.js';
import { placeOf, type StatedPlace } from './georeference.js';
import { type Codestream, openCodestream } from './jpeg2000-codestream.js';
import { checkRead } from './open-geotiff.js';
import { type ImageFile, type Pixels, type PixelType, pixelArrays, type RasterWindow } from './raster.js';
import { damaged, rasterFault } from './raster-fault.js';

/** OpenJPEG in WebAssembly (@cornerstonejs/codec-openjpeg); it comes without types. */
interface Decoder {
  getEncodedBuffer(length: number): Uint8Array;
  getDecodedBuffer(): Uint8Array;
  decode(): void;
  getFrameInfo(): { width: number; height: number; bitsPerSample: number; componentCount: number };
  delete(): void;
}
interface OpenJpeg {
  J2KDecoder: new () => Decoder;
}

let loaded: Promise<OpenJpeg> | null = null;
const openJpeg = (): Promise<OpenJpeg> => {
  const load = createRequire(import.meta.url)('@cornerstonejs/codec-openjpeg/decodewasmjs') as (
    options: Record<string, () => void>,
  ) => Promise<OpenJpeg>;
  // its messages would go to stdout
  loaded ??= load({ print: () => {}, printErr: () => {} });
  return loaded;
};

/** GeoJP2: a degenerate GeoTIFF in a UUID box. */
const geoJp2 = 'b14bf8bd083d4b43a5ae8cd7d5a6ce03';

const fromGeoTiff = async ({ boxes }: Codestream): Promise<StatedPlace | null> => {
  const box = boxes.find(
    ({ type, bytes }) => type === 'uuid' && Buffer.from(bytes.subarray(0, 16)).toString('hex') === geoJp2,
  );
  if (!box) return null;
  try {
    const file = await fromArrayBuffer(box.bytes.slice(16).buffer as ArrayBuffer);
    return placeOf(await file.getImage());
  } catch {
    return null;
  }
};

const numbers = (text: string): number[] =>
  text
    .trim()
    .split(/[\s,]+/)
    .map(Number);

/** GMLJP2 1.0, as Sentinel-2's bands have it: the origin is the centre of the first pixel. */
const fromGml = ({ boxes }: Codestream): StatedPlace | null => {
  const gml = boxes
    .filter(({ type }) => type === 'asoc' || type === 'xml ')
    .map(({ bytes }) => Buffer.from(bytes).toString('latin1'))
    .find((text) => text.includes('RectifiedGrid'));
  if (!gml) return null;
  const epsg = Number(/srsName="[^"]*EPSG:[^"]*?(\d+)"/.exec(gml)?.[1] ?? Number.NaN);
  const origin = /<gml:origin>[\s\S]*?<gml:(?:pos|coordinates)[^>]*>([^<]+)</.exec(gml);
  const vectors = [...gml.matchAll(/<gml:offsetVector[^>]*>([^<]+)</g)].map(([, text]) => numbers(text));
  if (!origin || vectors.length !== 2 || !Number.isInteger(epsg)) return null;
  const [x, y] = numbers(origin[1]);
  const [[a, d], [b, e]] = vectors;
  // geographic systems by EPSG have latitude first; Sentinel-2 has none of them
  if (![x, y, a, b, d, e].every(Number.isFinite) || epsg < 5000) return null;
  return {
    transform: [x - (a + b) / 2, a, b, y - (d + e) / 2, d, e],
    epsg,
    pixelIsArea: true,
    geoKeys: epsgKeys(epsg, 'projected'),
    hasPoints: false,
    hasRpc: false,
  };
};

const typeOf = ({ precision, signed }: Codestream): PixelType =>
  precision <= 8 ? (signed ? 'int8' : 'uint8') : signed ? 'int16' : 'uint16';

const decodeTile = async (
  codestream: Codestream,
  path: string,
  column: number,
  row: number,
): Promise<Pixels> => {
  const { J2KDecoder } = await openJpeg();
  const bytes = await codestream.tile(column, row);
  const decoder = new J2KDecoder();
  try {
    decoder.getEncodedBuffer(bytes.length).set(bytes);
    decoder.decode();
    const { width, height } = decoder.getFrameInfo();
    const samples = decoder.getDecodedBuffer().slice();
    const array = pixelArrays[typeOf(codestream)];
    const wanted = [
      Math.min(codestream.tileWidth, codestream.width - column * codestream.tileWidth),
      Math.min(codestream.tileHeight, codestream.height - row * codestream.tileHeight),
    ];
    if (
      width !== wanted[0] ||
      height !== wanted[1] ||
      samples.length !== width * height * array.BYTES_PER_ELEMENT * codestream.components
    )
      throw new Error(`decodes to ${width} × ${height}`);
    return new array(samples.buffer as ArrayBuffer);
  } catch (error) {
    const what = typeof error === 'number' ? 'the decoder failed' : reason(error);
    throw damaged(path, `damaged: tile ${row * codestream.across + column + 1} (${what})`);
  } finally {
    decoder.delete();
  }
};

const copyTile = (
  codestream: Codestream,
  tile: Pixels,
  [column, row]: readonly [number, number],
  component: number,
  [x0, y0, width, height]: RasterWindow,
  out: Pixels,
): void => {
  const [left, top] = [column * codestream.tileWidth, row * codestream.tileHeight];
  const across = Math.min(codestream.tileWidth, codestream.width - left);
  const down = Math.min(codestream.tileHeight, codestream.height - top);
  const first = Math.max(x0, left);
  const last = Math.min(x0 + width, left + across);
  for (let y = Math.max(y0, top); y < Math.min(y0 + height, top + down); y++) {
    let from = ((y - top) * across + first - left) * codestream.components + component;
    let to = (y - y0) * width + first - x0;
    for (let x = first; x < last; x++, from += codestream.components) out[to++] = tile[from];
  }
};

const noPlace: StatedPlace = {
  transform: null,
  epsg: null,
  pixelIsArea: true,
  geoKeys: null,
  hasPoints: false,
  hasRpc: false,
};

/**
 * Opens a JPEG 2000 file (JP2 or a bare codestream, up to 16 bits, one or three bands) tile by tile through OpenJPEG.
 * The georeference is GeoJP2's or GMLJP2's; nodata, names and scales are in the product's metadata, not here.
 */
export const openJpeg2000 = async (source: ByteSource): Promise<ImageFile> => {
  const { path } = source;
  const codestream = await openCodestream(source);
  const { width, height, components, precision } = codestream;
  if (precision > 16) throw rasterFault(path, `${precision} bits a sample`, 'write it as GeoTIFF');
  // the decoder's own limit
  if (components !== 1 && components !== 3)
    throw rasterFault(
      path,
      `${components} components in one JPEG 2000 are not read`,
      'write it as GeoTIFF: gdal_translate IN.jp2 OUT.tif',
    );
  const type = typeOf(codestream);
  return {
    path,
    width,
    height,
    type,
    statements: Array.from({ length: components }, () => silentBand),
    items: {},
    place: (await fromGeoTiff(codestream)) ?? fromGml(codestream) ?? noPlace,
    blockSize: [codestream.tileWidth, codestream.tileHeight],
    compression: 'JPEG 2000',
    read: async ({ window, bands } = {}) => {
      const area = window ?? ([0, 0, width, height] as const);
      const wanted = bands ?? Array.from({ length: components }, (_, k) => k + 1);
      checkRead({ path, width, height, bands: components }, area, wanted);
      const out = wanted.map(() => new pixelArrays[type](area[2] * area[3]));
      const { tileWidth, tileHeight } = codestream;
      for (let row = Math.floor(area[1] / tileHeight); row * tileHeight < area[1] + area[3]; row++)
        for (let column = Math.floor(area[0] / tileWidth); column * tileWidth < area[0] + area[2]; column++) {
          const tile = await decodeTile(codestream, path, column, row);
          wanted.forEach((band, k) => {
            copyTile(codestream, tile, [column, row], band - 1, area, out[k]);
          });
        }
      return out;
    },
    readMask: null,
  };
};
