import type { Georeference } from './georeference.js';

/** The pixels of one band, row by row. */
export type Pixels =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array;

export const pixelArrays = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

/** Sample types that are read. */
export type PixelType = keyof typeof pixelArrays;

/** `[column, row, width, height]`, pixels. */
export type RasterWindow = readonly [x: number, y: number, width: number, height: number];

export interface RasterReadOptions {
  /** All pixels by default. It must lie inside the raster. */
  window?: RasterWindow | null;
  /** 1-based bands, in the order wanted; all by default. */
  bands?: readonly number[] | null;
  /** Arrays of an earlier read of as many pixels and bands of this raster, to be written over; others may be given back. */
  into?: Pixels[] | null;
}

/** An open GeoTIFF: its first image (overviews are not looked at). Close it. */
export interface Raster {
  path: string;
  width: number;
  height: number;
  bands: number;
  type: PixelType;
  /** GDAL's nodata tag; NaN is possible. */
  nodata: number | null;
  georeference: Georeference | null;
  /** GDAL's band descriptions, '' where there is none. */
  bandNames: readonly string[];
  /** GDAL's scale and offset of each band, true value = scale·stored + offset; 1 and 0 where there is none. */
  scale: readonly number[];
  offset: readonly number[];
  /** Whether the file says by an internal mask or an alpha band which pixels are valid. Neither is read as such. */
  hasOwnMask: boolean;
  /** Width and height of the strips or tiles that are read at once. */
  blockSize: readonly [number, number];
  compression: string;
  /** One array a band, width·height of the window long. Safe to call while another read runs. */
  read(options?: RasterReadOptions): Promise<Pixels[]>;
  close(): Promise<void>;
}
