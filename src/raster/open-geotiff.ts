import { reason } from '../fault.js';
import { type Blocks, blocksOf } from './blocks.js';
import type { ByteSource } from './byte-source.js';
import { isWords, type Part, splitFour } from './four-bands.js';
import { type GdalMetadata, readGdalMetadata, silentBand } from './gdal-metadata.js';
import { placeOf } from './georeference.js';
import { firstImage, metadataText, nodataOf, photometricColours, sampleTypeOf } from './image-directory.js';
import { type ImageFile, type Pixels, pixelArrays, type RasterWindow } from './raster.js';
import { damaged, rasterFault } from './raster-fault.js';

const blocksAtOnce = 8;

/** Refuses a window or bands that a raster does not have. */
export const checkRead = (
  raster: { path: string; width: number; height: number; bands: number },
  window: RasterWindow,
  bands: readonly number[],
): void => {
  const [x, y, width, height] = window;
  const inside =
    [x, y, width, height].every(Number.isInteger) &&
    x >= 0 &&
    y >= 0 &&
    width > 0 &&
    height > 0 &&
    x + width <= raster.width &&
    y + height <= raster.height;
  if (!inside)
    throw rasterFault(
      raster.path,
      `window ${window.join(', ')} is outside the raster`,
      `which has ${raster.width} × ${raster.height} pixels`,
    );
  const wrong = bands.find((band) => !Number.isInteger(band) || band < 1 || band > raster.bands);
  if (wrong !== undefined)
    throw rasterFault(raster.path, `band ${wrong}`, `it has bands 1 to ${raster.bands}`);
};

/** Runs `tasks`, a few at a time; the first failure is thrown. */
const runAll = async (tasks: readonly (() => Promise<void>)[]): Promise<void> => {
  const queue = tasks.values();
  await Promise.all(
    Array.from({ length: Math.min(blocksAtOnce, tasks.length) }, async () => {
      for (const task of queue) await task();
    }),
  );
};

/** The part of a block that lies in `window`. */
const partOf = (
  blocks: Blocks,
  [column, row]: readonly [number, number],
  [x0, y0, width, height]: RasterWindow,
): Part => {
  const [left, top] = [column * blocks.width, row * blocks.height];
  const [x, y] = [Math.max(x0, left), Math.max(y0, top)];
  return {
    from: (y - top) * blocks.width + x - left,
    stride: blocks.width,
    to: (y - y0) * width + x - x0,
    width,
    columns: Math.min(x0 + width, left + blocks.width) - x,
    rows: Math.min(y0 + height, top + blocks.rows(row)) - y,
  };
};

/** Copies one of `samples` interleaved bands of a block. */
const copyBand = (block: Pixels, samples: number, sample: number, part: Part, to: Pixels): void => {
  const { columns, rows, stride, width } = part;
  for (let row = 0; row < rows; row++) {
    let from = (part.from + row * stride) * samples + sample;
    const at = part.to + row * width;
    if (samples === 1) to.set(block.subarray(from, from + columns), at);
    else for (let i = at; i < at + columns; i++, from += samples) to[i] = block[from];
  }
};

const readWindow = async (
  blocks: Blocks,
  window: RasterWindow,
  bands: readonly number[],
  out: readonly Pixels[],
): Promise<void> => {
  const [x0, y0, width, height] = window;
  const tasks: (() => Promise<void>)[] = [];
  const { samples } = blocks;
  const groups =
    samples > 1 ? [bands.map((band, i) => ({ band, i }))] : bands.map((band, i) => [{ band, i }]);
  for (let row = Math.floor(y0 / blocks.height); row * blocks.height < y0 + height; row++)
    for (let column = Math.floor(x0 / blocks.width); column * blocks.width < x0 + width; column++)
      for (const group of groups)
        tasks.push(async () => {
          const block = await blocks.read(column, row, group[0].band - 1);
          const part = partOf(blocks, [column, row], window);
          const wanted = group.map(({ band, i }) => ({ sample: samples > 1 ? band - 1 : 0, to: out[i] }));
          if (samples === 4 && isWords(block.pixels))
            splitFour(block.pixels, block.differences, part, wanted);
          else for (const { sample, to } of wanted) copyBand(block.pixels, samples, sample, part, to);
        });
  await runAll(tasks);
};

/** TIFF's tag numbers are 16-bit, and so is the count of samples in every file that a program wrote. */
const mostBands = 65535;

const metadataOf = async (source: ByteSource, text: string, bands: number): Promise<GdalMetadata> => {
  if (text === '') return { bands: Array.from({ length: bands }, () => silentBand), items: {} };
  try {
    return await readGdalMetadata(text, bands);
  } catch (error) {
    throw damaged(source.path, `damaged: its GDAL metadata are not XML (${reason(error)})`);
  }
};

/**
 * Opens a GeoTIFF: classic and BigTIFF, either byte order, strips and tiles, bands interleaved or apart, no compression,
 * LZW, DEFLATE, ZSTD or PackBits, with predictors, whole and floating-point samples of 8 to 64 bits, whole ones of 9 to
 * 15 bits, with its transparency mask. Overviews are not looked at.
 */
export const openGeoTiff = async (source: ByteSource): Promise<ImageFile> => {
  const { path } = source;
  const { image, maskImage } = await firstImage(source);
  const [width, height, bands] = [image.getWidth(), image.getHeight(), image.getSamplesPerPixel()];
  if (![width, height, bands, image.getTileWidth(), image.getTileHeight()].every((size) => size > 0))
    throw damaged(path, `damaged: ${width} × ${height} pixels, ${bands} bands`);
  if (bands > mostBands) throw damaged(path, `damaged: ${bands} bands`);
  const sample = sampleTypeOf(path, image, bands);
  const nodata = nodataOf(image);
  const blocks = await blocksOf(source, image, sample, nodata ?? 0);
  const maskBlocks = maskImage && (await blocksOf(source, maskImage, sampleTypeOf(path, maskImage, 1, 1), 0));
  const { bands: statements, items } = await metadataOf(source, await metadataText(image), bands);
  const colours = photometricColours(image, bands);
  return {
    path,
    width,
    height,
    type: sample.type,
    statements: statements.map((band, index) => ({
      ...band,
      nodata: band.nodata ?? nodata,
      colour: band.colour ?? colours[index],
    })),
    items,
    place: placeOf(image),
    blockSize: [blocks.width, blocks.height],
    compression: blocks.compression,
    read: async ({ window, bands: wanted, into } = {}) => {
      const area = window ?? [0, 0, width, height];
      const list = wanted ?? Array.from({ length: bands }, (_, band) => band + 1);
      checkRead({ path, width, height, bands }, area, list);
      const length = area[2] * area[3];
      const fits = into?.length === list.length && into.every((band) => band.length === length);
      const out: Pixels[] = fits ? into : list.map(() => new pixelArrays[sample.type](length));
      await readWindow(blocks, area, list, out);
      return out;
    },
    readMask:
      maskBlocks &&
      (async (area) => {
        checkRead({ path, width, height, bands }, area, []);
        const out = new Uint8Array(area[2] * area[3]);
        await readWindow(maskBlocks, area, [1], [out]);
        return out.map((value) => (value === 0 ? 0 : 1));
      }),
  };
};
