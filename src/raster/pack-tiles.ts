import { halveRows, type Resampling } from './overview.js';
import { type BandArray, packBlock } from './predictor.js';
import { type Compression, compressor, defaultLevel } from './tiff-compression.js';
import type { RasterInfo } from './tiff-fields.js';

/** How the tiles of a raster are made. Plain data: it goes to workers as it is. */
export interface TileOptions {
  compression: Compression;
  level?: number;
  predict: boolean;
  /** Edge of a tile, pixels. */
  tile: number;
  resampling: Resampling;
  /** Halve parts for overviews. */
  overviews: boolean;
}

/** A part of a raster, compressed: whole tiles, but for those at its right and lower edge. */
export interface TilePart {
  /** Pixels. */
  x: number;
  y: number;
  width: number;
  height: number;
  /**
   * Tiles row by row, each between its size and its last four bytes again, as GDAL's COGs have them; null for one without
   * data, which a sparse file leaves out.
   */
  tiles: Tiles;
  /** Each band at half the size, rounded up; empty without overviews. */
  halved: BandArray[];
}

export type Tiles = (Uint8Array<ArrayBuffer> | null)[];

/** A part whose tiles are still being compressed. */
export type PackedPart = Omit<TilePart, 'tiles'> & { tiles: Promise<Tiles> };

/** A compressed tile between its size and its last four bytes again. */
const framed = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const out = new Uint8Array(bytes.length + 8);
  new DataView(out.buffer).setUint32(0, bytes.length, true);
  out.set(bytes, 4);
  out.copyWithin(4 + bytes.length, bytes.length, bytes.length + 4);
  return out;
};

/** Whether a tile holds but what a reader puts where there is no tile: nodata, 0 without such a value. */
const isEmpty = (
  bands: readonly BandArray[],
  stride: number,
  [x, y, width, height]: readonly [number, number, number, number],
  nodata: number | null,
): boolean => {
  const empty = nodata ?? 0;
  const isNan = Number.isNaN(empty);
  for (const band of bands)
    for (let row = 0; row < height; row++) {
      const from = (y + row) * stride + x;
      for (let i = from; i < from + width; i++)
        if (isNan ? !Number.isNaN(band[i]) : band[i] !== empty) return false;
    }
  return true;
};

/**
 * A function that makes a part of pixels: `bands` hold `width·height` samples each, for the part at `x`, `y`, which must be
 * the corner of a tile. They may be written over when it returns.
 *
 * @throws Fault for a bad level, and for zstd on a Node without it
 */
export const tilePacker = (
  { type, bands: { length: samples }, nodata }: Pick<RasterInfo, 'type' | 'bands' | 'nodata'>,
  { compression, level = defaultLevel[compression], predict, tile, resampling, overviews }: TileOptions,
) => {
  const compress = compressor(compression, level);
  const tileBytes = tile * tile * samples * { uint8: 1, uint16: 2, int16: 2, float32: 4 }[type];
  const spare: ArrayBuffer[] = [];
  const pack = async (packed: Uint8Array): Promise<Uint8Array<ArrayBuffer>> => {
    const out = framed(await compress(packed));
    if (packed.buffer.byteLength === tileBytes) spare.push(packed.buffer as ArrayBuffer);
    return out;
  };
  return (
    bands: readonly BandArray[],
    { x, y, width, height }: { x: number; y: number; width: number; height: number },
  ): PackedPart => {
    const made: (Promise<Uint8Array<ArrayBuffer>> | null)[] = [];
    for (let top = 0; top < height; top += tile)
      for (let left = 0; left < width; left += tile) {
        const [columns, rows] = [Math.min(tile, width - left), Math.min(tile, height - top)];
        if (isEmpty(bands, width, [left, top, columns, rows], nodata)) made.push(null);
        else {
          const block = { x: left, y: top, width: columns, height: rows, stride: width };
          const whole = { ...block, blockWidth: tile, blockHeight: tile };
          made.push(pack(packBlock(bands, whole, predict, spare.pop())));
        }
      }
    const halved = overviews
      ? bands.map((band) => {
          const Type = band.constructor as new (length: number) => BandArray;
          const out = new Type(Math.ceil(width / 2) * Math.ceil(height / 2));
          halveRows(band, height, width, nodata, resampling, out, 0);
          return out;
        })
      : [];
    const tiles = Promise.all(made);
    // whoever waits for the tiles hears of a failure; until then it must not count as unhandled
    tiles.catch(() => {});
    return { x, y, width, height, tiles, halved };
  };
};
