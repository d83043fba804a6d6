import { Fault, reason } from '../fault.js';
import { type Blocks, blocksOf } from './blocks.js';
import { type ByteSource, openBytes } from './byte-source.js';
import { georeferenceOf } from './georeference.js';
import { firstImage, metadataOf, nodataOf, typeOf } from './image-directory.js';
import { type Pixels, pixelArrays, type Raster, type RasterWindow } from './raster.js';
import { damaged, rasterFault } from './raster-fault.js';

const blocksAtOnce = 8;

const checkRead = (raster: Raster, window: RasterWindow, bands: readonly number[]): void => {
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
      `window ${window.join(', ')}`,
      `lies not inside ${raster.width} × ${raster.height}`,
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

/** Copies the part of a block that lies in `window` out of its interleaved samples. */
const copyBlock = (
  blocks: Blocks,
  [column, row]: readonly [number, number],
  block: Pixels,
  sample: number,
  [x0, y0, width, height]: RasterWindow,
  to: Pixels,
): void => {
  const firstColumn = Math.max(x0, column * blocks.width);
  const lastColumn = Math.min(x0 + width, (column + 1) * blocks.width);
  const top = row * blocks.height;
  const lastRow = Math.min(y0 + height, top + blocks.rows(row));
  for (let y = Math.max(y0, top); y < lastRow; y++) {
    let from = ((y - top) * blocks.width + firstColumn - column * blocks.width) * blocks.samples + sample;
    let at = (y - y0) * width + firstColumn - x0;
    for (let x = firstColumn; x < lastColumn; x++, from += blocks.samples) to[at++] = block[from];
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
  const groups =
    blocks.samples > 1 ? [bands.map((band, i) => ({ band, i }))] : bands.map((band, i) => [{ band, i }]);
  for (let row = Math.floor(y0 / blocks.height); row * blocks.height < y0 + height; row++)
    for (let column = Math.floor(x0 / blocks.width); column * blocks.width < x0 + width; column++)
      for (const group of groups)
        tasks.push(async () => {
          const block = await blocks.read(column, row, group[0].band - 1);
          for (const { band, i } of group)
            copyBlock(blocks, [column, row], block, blocks.samples > 1 ? band - 1 : 0, window, out[i]);
        });
  await runAll(tasks);
};

const rasterOf = async (source: ByteSource): Promise<Raster> => {
  const { path } = source;
  const image = await firstImage(source);
  const [width, height, bands] = [image.getWidth(), image.getHeight(), image.getSamplesPerPixel()];
  if (![width, height, bands, image.getTileWidth(), image.getTileHeight()].every((size) => size > 0))
    throw damaged(path, `damaged: ${width} × ${height} pixels, ${bands} bands`);
  const type = typeOf(path, image, bands);
  const nodata = nodataOf(image);
  const blocks = await blocksOf(source, image, type, nodata ?? 0);
  const raster: Raster = {
    path,
    width,
    height,
    bands,
    type,
    nodata,
    georeference: georeferenceOf(image),
    ...(await metadataOf(image, bands)),
    blockSize: [blocks.width, blocks.height],
    compression: blocks.compression,
    read: async ({ window, bands: wanted } = {}) => {
      const area = window ?? [0, 0, width, height];
      const list = wanted ?? Array.from({ length: bands }, (_, band) => band + 1);
      checkRead(raster, area, list);
      const out: Pixels[] = list.map(() => new pixelArrays[type](area[2] * area[3]));
      await readWindow(blocks, area, list, out);
      return out;
    },
    close: () => source.close(),
  };
  return raster;
};

/**
 * Opens a GeoTIFF by path or http(s) URL: classic and BigTIFF, either byte order, strips and tiles, bands interleaved
 * or apart, no compression, LZW, DEFLATE, ZSTD or PackBits, with predictors, whole and floating-point samples of
 * 8 to 64 bits.
 * @throws Fault that names the file where it is missing, not a TIFF, cut short, damaged or of a kind not read here;
 *   `read` throws the same where damage shows only then.
 */
export const openRaster = async (path: string): Promise<Raster> => {
  const source = await openBytes(path);
  try {
    return await rasterOf(source);
  } catch (error) {
    await source.close();
    throw error instanceof Fault ? error : damaged(path, `damaged: ${reason(error)}`);
  }
};

/** Opens a raster, hands it to `use` and closes it whatever happens. */
export const withRaster = async <T>(path: string, use: (raster: Raster) => Promise<T>): Promise<T> => {
  const raster = await openRaster(path);
  try {
    return await use(raster);
  } finally {
    await raster.close();
  }
};
