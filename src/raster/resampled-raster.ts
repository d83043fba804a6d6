import { type Pixels, pixelArrays, type Raster, type RasterWindow } from './raster.js';

const repeat = <T extends Pixels>(
  source: Pixels,
  [x0, y0, stride]: RasterWindow,
  [x, y, width, height]: RasterWindow,
  factor: number,
  out: T,
): T => {
  for (let row = 0; row < height; row++) {
    const from = (Math.floor((y + row) / factor) - y0) * stride;
    for (let column = 0; column < width; column++)
      out[row * width + column] = source[from + Math.floor((x + column) / factor) - x0];
  }
  return out;
};

/** `raster` on a grid `factor` times finer, each pixel repeated: classes and bands of 20 m on 10 m. */
export const finerRaster = (raster: Raster, factor: number): Raster => {
  if (factor === 1) return raster;
  const georeference = raster.georeference && {
    ...raster.georeference,
    transform: raster.georeference.transform.map((value, at) =>
      at === 0 || at === 3 ? value : value / factor,
    ) as unknown as [number, number, number, number, number, number],
  };
  const coarseWindow = ([x, y, width, height]: RasterWindow): RasterWindow => {
    const [x0, y0] = [Math.floor(x / factor), Math.floor(y / factor)];
    return [
      x0,
      y0,
      Math.floor((x + width - 1) / factor) + 1 - x0,
      Math.floor((y + height - 1) / factor) + 1 - y0,
    ];
  };
  return {
    ...raster,
    width: raster.width * factor,
    height: raster.height * factor,
    georeference,
    blockSize: [raster.blockSize[0] * factor, raster.blockSize[1] * factor],
    read: async ({ window, bands } = {}) => {
      const area = window ?? [0, 0, raster.width * factor, raster.height * factor];
      const coarse = coarseWindow(area);
      const read = await raster.read({ window: coarse, bands });
      return read.map((band) =>
        repeat(band, coarse, area, factor, new pixelArrays[raster.type](area[2] * area[3])),
      );
    },
    readOwnMask: async (window) => {
      const area = window ?? [0, 0, raster.width * factor, raster.height * factor];
      const coarse = coarseWindow(area);
      const mask = await raster.readOwnMask(coarse);
      return mask && repeat(mask, coarse, area, factor, new Uint8Array(area[2] * area[3]));
    },
  };
};
