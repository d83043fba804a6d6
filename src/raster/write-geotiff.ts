import { refuse } from '../fault.js';
import { writeAtomic } from '../files.js';
import type { Georeference } from './georeference.js';
import { type BandArray, packBlock, type SampleType } from './predictor.js';
import { type Compression, compressor } from './tiff-compression.js';
import { directorySize, encodeDirectory, encodeHeader, type TiffField, tags } from './tiff-directory.js';
import { type BandInfo, datasetFields, imageFields, type RasterInfo } from './tiff-fields.js';

/** A raster that fits into memory. */
export interface GeoTiffImage {
  width: number;
  height: number;
  /** Each band row by row, all of one type: Uint8Array, Uint16Array, Int16Array or Float32Array. */
  bands: readonly BandArray[];
  /** @default null: no place on Earth */
  georeference?: Georeference | null;
  /** @default null */
  nodata?: number | null;
  /** Names of the bands, as `gdalinfo` shows them (Description). */
  bandNames?: readonly string[];
  /** Scale and offset of the bands, in their order. */
  bandScales?: readonly { scale?: number; offset?: number }[];
  metadata?: Readonly<Record<string, string>>;
  /** @default 'deflate' */
  compression?: Compression;
  /** 1–9 for deflate (default 3), 1–22 for zstd (default 9). */
  level?: number;
  /** Horizontal differencing (floating-point form for float32). @default true unless compression is none */
  predictor?: boolean;
  /** Edge of a tile, a multiple of 16; null writes strips. @default null */
  tile?: number | null;
}

const typeOf = (band: BandArray): SampleType =>
  band instanceof Uint8Array
    ? 'uint8'
    : band instanceof Uint16Array
      ? 'uint16'
      : band instanceof Int16Array
        ? 'int16'
        : 'float32';

const check = (image: GeoTiffImage): void => {
  const { width, height, bands, tile } = image;
  const faults: string[] = [];
  if (!(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0))
    faults.push(`raster size: ${width} × ${height}; two positive integers`);
  if (bands.length === 0) faults.push('raster bands: 0; at least one');
  bands.forEach((band, index) => {
    if (band.length !== width * height)
      faults.push(`raster band ${index + 1}: ${band.length} samples; ${width * height} are needed`);
    if (band.constructor !== bands[0].constructor)
      faults.push(`raster band ${index + 1}: ${typeOf(band)}; ${typeOf(bands[0])} like the first`);
  });
  if (tile != null && !(Number.isInteger(tile) && tile > 0 && tile % 16 === 0))
    faults.push(`tile: ${tile}; a positive multiple of 16`);
  const names = image.bandNames?.length ?? bands.length;
  if (names !== bands.length) faults.push(`band names: ${names}; one for each of ${bands.length} bands`);
  refuse(faults);
};

const blocks = (width: number, height: number, blockWidth: number, blockHeight: number) =>
  Array.from({ length: Math.ceil(height / blockHeight) * Math.ceil(width / blockWidth) }, (_, index) => {
    const across = Math.ceil(width / blockWidth);
    const x = (index % across) * blockWidth;
    const y = Math.floor(index / across) * blockHeight;
    return {
      x,
      y,
      width: Math.min(blockWidth, width - x),
      height: Math.min(blockHeight, height - y),
    };
  });

/**
 * The bytes of a GeoTIFF: little-endian, pixel-interleaved, in strips of about 64 kB or tiles, directory first.
 * For rasters of up to 4 GB that are in memory; scenes are written by the streaming COG writer.
 *
 * @throws Fault for bands that disagree, a bad tile size or level, or zstd on a Node without it
 */
export const encodeGeoTiff = async (image: GeoTiffImage): Promise<Uint8Array> => {
  check(image);
  const { width, height, bands, compression = 'deflate', tile = null } = image;
  const predict = compression !== 'none' && (image.predictor ?? true);
  const info: RasterInfo = {
    width,
    height,
    type: typeOf(bands[0]),
    bands: bands.map(
      (_, index): BandInfo => ({ name: image.bandNames?.[index], ...image.bandScales?.[index] }),
    ),
    georeference: image.georeference ?? null,
    nodata: image.nodata ?? null,
    metadata: image.metadata,
  };
  const rowBytes = width * bands.length * bands[0].BYTES_PER_ELEMENT;
  const blockWidth = tile ?? width;
  const blockHeight = tile ?? Math.max(1, Math.min(height, Math.floor(65536 / rowBytes)));
  const compress = compressor(compression, image.level);
  const data = await Promise.all(
    blocks(width, height, blockWidth, blockHeight).map((block) =>
      compress(
        packBlock(
          bands,
          // the last strip is short, the last tile is not
          { ...block, stride: width, blockWidth, blockHeight: tile === null ? block.height : blockHeight },
          predict,
        ),
      ),
    ),
  );
  const fields = (offsets: number[]): TiffField[] => [
    ...imageFields(info, width, height, compression, predict),
    ...datasetFields(info),
    ...(tile === null
      ? ([{ tag: tags.rowsPerStrip, type: 'long', values: [blockHeight] }] as const)
      : ([
          { tag: tags.tileWidth, type: 'short', values: [tile] },
          { tag: tags.tileLength, type: 'short', values: [tile] },
        ] as const)),
    { tag: tile === null ? tags.stripOffsets : tags.tileOffsets, type: 'long', values: offsets },
    {
      tag: tile === null ? tags.stripByteCounts : tags.tileByteCounts,
      type: 'long',
      values: data.map(({ length }) => length),
    },
  ];
  let end = 8 + directorySize(fields(data.map(() => 0)), false);
  const offsets = data.map(({ length }) => {
    const at = end + (end & 1);
    end = at + length;
    return at;
  });
  refuse(end > 0xffffffff ? [`raster size: ${end} bytes; a classic TIFF ends at 4 GB: write a COG`] : []);
  const out = new Uint8Array(end);
  out.set(encodeHeader(8, false));
  out.set(encodeDirectory(fields(offsets), 8, 0, false), 8);
  data.forEach((bytes, index) => {
    out.set(bytes, offsets[index]);
  });
  return out;
};

/** Writes {@link encodeGeoTiff}'s bytes whole or not at all: temporary name, fsync, rename. */
export const writeGeoTiff = async (path: string, image: GeoTiffImage): Promise<void> =>
  writeAtomic(path, await encodeGeoTiff(image));
