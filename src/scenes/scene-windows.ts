import type { RasterWindow } from '../raster/raster.js';
import type { Scene } from './open-scene.js';

const targetBytes = 48 << 20;
/** Columns that are read at once: enough to keep a thread busy for a while. */
const targetColumns = 2048;

/**
 * Rows that are read at once: whole blocks of the file, about 512 of them, fewer where rows are so long that they
 * would take more than 48 MB.
 */
export const rowsAtOnce = ({ blockSize: [, block], width, height, bands }: Scene): number => {
  const affordable = targetBytes / (width * bands.length * 2);
  const blocks = Math.floor(Math.max(block, Math.min(512, affordable)) / block);
  return Math.min(height, Math.max(1, blocks) * block);
};

/** Cuts `length` pixels that begin at pixel `origin` of a file where the file's own pieces of `step` end. */
const cuts = (length: number, step: number, origin: number): [start: number, size: number][] => {
  const out: [number, number][] = [];
  for (let at = 0; at < length; ) {
    const end = Math.min(length, at + step - ((origin + at) % step));
    out.push([at, end - at]);
    at = end;
  }
  return out;
};

/** Windows that together are the scene, row by row: whole blocks of the file, so that each is decoded once. */
export const readWindows = (scene: Scene, step: number): RasterWindow[] => {
  const { width, height, blockSize, origin } = scene;
  const across =
    blockSize[0] >= width ? width : Math.max(1, Math.floor(targetColumns / blockSize[0])) * blockSize[0];
  // a block as wide as the scene is one piece wherever the scene begins
  const columns = across >= width ? ([[0, width]] as const) : cuts(width, across, origin[0]);
  return cuts(height, step, origin[1]).flatMap(([y, rows]) =>
    columns.map(([x, count]): RasterWindow => [x, y, count, rows]),
  );
};

/** Windows of one tile of the output each, row by row. */
export const tileWindows = (
  { width, height }: Pick<Scene, 'width' | 'height'>,
  tile: number,
): RasterWindow[] =>
  cuts(height, tile, 0).flatMap(([y, rows]) =>
    cuts(width, tile, 0).map(([x, columns]): RasterWindow => [x, y, columns, rows]),
  );
