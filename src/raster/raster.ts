import type { BandStatement } from './gdal-metadata.js';
import type { Georeference, StatedPlace } from './georeference.js';

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

/** By what a file says, apart from its nodata value, which pixels are valid. */
export type OwnMask = 'internal mask' | '.msk file' | 'alpha band';

/** An open raster with what it says of itself, in its own tags or in the files beside it. Close it. */
export interface Raster {
  path: string;
  width: number;
  height: number;
  bands: number;
  type: PixelType;
  /** Value of no data, as it is stated; see {@link nodataSample}. NaN and infinity are possible. The first band's where bands differ. */
  nodata: number | null;
  /** The same for each band. */
  bandNodata: readonly (number | null)[];
  georeference: Georeference | null;
  /** Descriptions of the bands, '' where there is none. */
  bandNames: readonly string[];
  /** What each band is, as GDAL names it: `gray`, `red`, `green`, `blue`, `alpha`, `undefined` … */
  colours: readonly string[];
  /** Scale and offset of each band, true value = scale·stored + offset; 1 and 0 where there is none. */
  scale: readonly number[];
  offset: readonly number[];
  /** Items of GDAL's default metadata domain, such as `ACQUISITIONDATETIME`. */
  items: Readonly<Record<string, string>>;
  /** How the file marks valid pixels; null where it does not. */
  ownMask: OwnMask | null;
  /** What the file says that nothing here can honour, a line each. */
  unheeded: readonly string[];
  /** Width and height of the strips or tiles that are read at once. */
  blockSize: readonly [number, number];
  compression: string;
  /** One array a band, width·height of the window long. Safe to call while another read runs. */
  read(options?: RasterReadOptions): Promise<Pixels[]>;
  /** Valid pixels (1) of a window by {@link Raster.ownMask}; null without one. */
  readOwnMask(window?: RasterWindow | null): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

/** The sample that a nodata value means in a band of `type`: of float32 the nearest float. */
export const nodataSample = (type: PixelType, nodata: number): number =>
  type === 'float32' ? Math.fround(nodata) : nodata;

/** One image file of any format with what its own bytes say; sidecars are not looked at. */
export interface ImageFile {
  path: string;
  width: number;
  height: number;
  type: PixelType;
  /** One for each band. */
  statements: readonly BandStatement[];
  items: Readonly<Record<string, string>>;
  place: StatedPlace;
  blockSize: readonly [number, number];
  compression: string;
  read(options?: RasterReadOptions): Promise<Pixels[]>;
  /** Valid pixels (1) by the transparency mask in the file; null without one. */
  readMask: ((window: RasterWindow) => Promise<Uint8Array>) | null;
}
