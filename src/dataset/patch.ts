/** A rectangle of pixels in a raster: column, row, width, height. */
export type Window = readonly [x: number, y: number, width: number, height: number];

/** Where the pixels of one image of a patch are: a file, a window of it (null: all), its 1-based bands (null: all). */
export interface RasterRef {
  path: string;
  window: Window | null;
  bands: readonly number[] | null;
  /** Units of each of these bands; by default what the file's scale and offset say. */
  units?: readonly BandUnits[];
  /** Of a mask: values that are valid, or bits of which none may be set. By default what is above 0 is valid. */
  valid?: { classes: readonly number[] } | { bits: readonly number[] };
  /** Each pixel of the file stands for this many along a side; `window` counts those. */
  repeat?: number;
  /** Files beside it that are read with it. */
  sidecars?: readonly string[];
}

/** Reflectance × 10 000 = stored · gain + offset. */
export interface BandUnits {
  gain: number;
  offset: number;
}

/** One source image, its target and its mask: the unit that lists, caches and training count in. */
export interface Patch {
  /** As the lists say it: `Region/tile_date-col-row.tif`. */
  id: string;
  region: string;
  tile: string;
  /** `YYYYMMDD`, or `''` where there is none. */
  date: string;
  source: RasterRef;
  target: RasterRef;
  /** Null: valid where no band of source or target is nodata. */
  mask: RasterRef | null;
  /**
   * With a mask, leave out a pixel already where one band is nodata. By default where all bands of an image are: the
   * mask of the paper's layout has the last word, and 0 is also a reflectance.
   */
  anyNodata?: true;
}

/** `tile_date`: patches with the same key belong to one acquisition of one tile and share its histogram. */
export const tileKey = (patch: Pick<Patch, 'tile' | 'date'>): string =>
  patch.date === '' ? patch.tile : `${patch.tile}_${patch.date}`;

/**
 * Decoded pixels of a patch, band by band: `source[band·height·width + row·width + column]`.
 * Values are in stored units (reflectance × 10 000), those of masked pixels are saturated to int16.
 */
export interface PatchPixels {
  width: number;
  height: number;
  bands: number;
  source: Int16Array;
  target: Int16Array;
  /** 1 valid, 0 not. */
  mask: Uint8Array;
}
