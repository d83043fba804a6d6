import type { Compression } from '../raster/tiff-compression.js';

/** One scene to align: what is typed on the command line or stands on a line of a list. */
export interface SceneRequest {
  /** A multi-band file, a file for each band, or a product folder; paths or http(s) URLs. */
  inputs: readonly string[];
  /** The aligned scene, a COG; its companions stand beside it under the same stem. */
  out: string;
  /** 1-based bands of a multi-band file, in the model's order. @default by their names, else as they are */
  bands?: readonly number[];
  /**
   * Added to stored values before scaling: 0, or −1000 for Sentinel-2 products of processing baseline 04.00 and
   * later whose provider has not applied it. @default from metadata; refused where they say nothing
   */
  boaOffset?: number;
  /** Stored values that make reflectance 1: 10000, 1000 or 1. @default from metadata, else 10000 with `boaOffset` */
  scale?: number;
  /**
   * Go on where nearly all values of a band lie outside the model's range, which mostly means other units.
   * @default false: refused
   */
  forceRange?: boolean;
  /** Stored value that is no data; `none` for no such value. @default the file's tag */
  nodata?: number | 'none';
  /** A raster that is valid where above 0. */
  mask?: string;
  /** A Sentinel-2 scene classification; clouds, shadows, saturated and defective pixels leave the histogram. */
  scl?: string;
  /** SCL classes that are valid. @default 2, 4, 5, 6, 7, 11 */
  sclValid?: readonly number[];
  /** A raster of quality bits; a pixel with any of `qaBits` set is not valid. */
  qa?: string;
  /** Bits that count, 0 the lowest. */
  qaBits?: readonly number[];
  /** Bring bands of a coarser grid to the finest one, each pixel repeated. @default false: refused */
  resample?: boolean;
  /**
   * A raster on whose grid the scene is aligned and written, in the same or another projection: pixels become means by area
   * of what lies beneath, classes the nearest. Such as a GF-1 image of 16 m for a scene of 10 m. @default the scene's own grid
   */
  grid?: string;
  /** A part of the scene's grid, pixels: column, row, width, height. Its histogram is the part's. @default all */
  window?: readonly [number, number, number, number];
  /** A part by coordinates of the scene's CRS: left, bottom, right, top; every pixel that it touches. */
  bbox?: readonly [number, number, number, number];
  /** @default as the input: float32 for floats, int16 for int16, else uint16 */
  type?: 'uint16' | 'int16' | 'float32';
  /** Also write a COG of the expected error of each pixel. */
  uncertainty?: boolean;
  /** @default 'deflate' */
  compression?: Compression;
  /** 1–9 for deflate, 1–22 for zstd. @default deflate 3, zstd 9 */
  level?: number;
  /** Write overviews. @default true */
  overviews?: boolean;
  /** Also write a picture of the aligned scene in true colour, `OUT.quicklook.png`, from its overviews. @default false */
  quicklook?: boolean;
}
