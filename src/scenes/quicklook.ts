import { fromFile } from 'geotiff';
import { Fault } from '../fault.js';
import { encodePng } from '../figures/encode-png.js';
import type { BandArray } from '../raster/predictor.js';

/** The smallest image of a COG: its last overview, or itself where it is small. */
export interface SmallImage {
  width: number;
  height: number;
  bands: BandArray[];
}

/** Larger images are not read for a picture: a COG without overviews has no other. */
const mostPixels = 1024 * 1024;

/** @returns null where a COG has no overviews and is large */
export const smallestImage = async (path: string): Promise<SmallImage | null> => {
  const file = await fromFile(path);
  try {
    const image = await file.getImage((await file.getImageCount()) - 1);
    const [width, height] = [image.getWidth(), image.getHeight()];
    if (width * height > mostPixels) return null;
    return { width, height, bands: (await image.readRasters()) as unknown as BandArray[] };
  } finally {
    file.close();
  }
};

/** 2 and 98 % of the values that are not nodata. */
const stretch = (values: BandArray, nodata: number | null): [low: number, high: number] => {
  const valid = Float64Array.from(values)
    .filter((value) => value !== nodata && !Number.isNaN(value))
    .sort();
  if (valid.length === 0) return [0, 1];
  const at = (share: number): number => valid[Math.floor(share * (valid.length - 1))];
  return [at(0.02), Math.max(at(0.98), at(0.02) + 1)];
};

/**
 * A picture of an aligned scene: its smallest overview in red, green and blue, each stretched from its 2 to its 98 %, nodata
 * transparent; one grey band where a model has not all three.
 *
 * @returns a PNG
 */
export const quicklook = (
  { width, height, bands: read }: SmallImage,
  names: readonly string[],
  nodata: number | null,
): Uint8Array => {
  const colours = ['red', 'green', 'blue'].map((colour) => names.indexOf(colour));
  const bands = colours.includes(-1) ? [0, 0, 0] : colours;
  const out = new Uint8Array(4 * width * height);
  const ranges = bands.map((band) => stretch(read[band], nodata));
  for (let i = 0; i < width * height; i++) {
    const values = bands.map((band) => read[band][i]);
    if (values.some((value) => value === nodata || Number.isNaN(value))) continue;
    values.forEach((value, channel) => {
      const [low, high] = ranges[channel];
      out[4 * i + channel] = Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low))));
    });
    out[4 * i + 3] = 255;
  }
  return encodePng(out, width, height);
};

/** A picture is made of overviews. */
export const checkQuicklook = (request: { quicklook?: boolean; overviews?: boolean }): void => {
  if (request.quicklook && request.overviews === false)
    throw new Fault('quicklook: it is made of the overviews; leave --overviews none out');
};
