import type { BandStatement } from './gdal-metadata.js';
import type { StatedPlace } from './georeference.js';
import type { Pixels, PixelType, RasterReadOptions, RasterWindow } from './raster.js';

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
