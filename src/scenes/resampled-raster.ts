import { type Pixels, pixelArrays, type Raster } from '../raster/raster.js';

const repeat = (
  source: Pixels,
  stride: number,
  [x, y, width, height]: readonly [number, number, number, number],
  factor: number,
  [x0, y0]: readonly [number, number],
  out: Pixels,
): Pixels => {
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
  return {
    ...raster,
    width: raster.width * factor,
    height: raster.height * factor,
    georeference,
    blockSize: [raster.blockSize[0] * factor, raster.blockSize[1] * factor],
    read: async ({ window, bands } = {}) => {
      const area = window ?? [0, 0, raster.width * factor, raster.height * factor];
      const [x, y, width, height] = area;
      const x0 = Math.floor(x / factor);
      const y0 = Math.floor(y / factor);
      const x1 = Math.floor((x + width - 1) / factor) + 1;
      const y1 = Math.floor((y + height - 1) / factor) + 1;
      const coarse = await raster.read({ window: [x0, y0, x1 - x0, y1 - y0], bands });
      return coarse.map((band) =>
        repeat(band, x1 - x0, area, factor, [x0, y0], new pixelArrays[raster.type](width * height)),
      );
    },
  };
};
