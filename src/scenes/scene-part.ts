import { Fault } from '../fault.js';
import type { Georeference } from '../raster/georeference.js';
import type { RasterWindow } from '../raster/raster.js';
import type { SceneRequest } from './scene-request.js';
import type { Grid } from './warped-raster.js';

/** Coordinates are taken to a thousandth of a pixel: those of pixel edges in decimals mean the edges. */
const tolerance = 1e-3;

const windowOf = (
  [left, bottom, right, top]: NonNullable<SceneRequest['bbox']>,
  { transform: [x0, a, b, y0, d, e] }: Georeference,
): RasterWindow => {
  const determinant = a * e - b * d;
  const corners = [left, right].flatMap((x) =>
    [bottom, top].map((y) => [
      (e * (x - x0) - b * (y - y0)) / determinant,
      (a * (y - y0) - d * (x - x0)) / determinant,
    ]),
  );
  const [from, to] = [Math.min, Math.max].map((pick) =>
    [0, 1].map((side) => pick(...corners.map((c) => c[side]))),
  );
  const [column, row] = from.map((at) => Math.floor(at + tolerance));
  return [column, row, Math.ceil(to[0] - tolerance) - column, Math.ceil(to[1] - tolerance) - row];
};

/**
 * The part of a grid that a request asks for, pixels; null for all of it. A box is cut to the grid, a window must lie inside.
 * @throws Fault for both at once, a box without georeference, and a part that lies outside
 */
export const scenePart = (
  { window, bbox }: Pick<SceneRequest, 'window' | 'bbox'>,
  grid: Grid,
): RasterWindow | null => {
  if (!window && !bbox) return null;
  if (window && bbox) throw new Fault('window: given with a bbox; give one of them');
  const size = `the scene has ${grid.width} × ${grid.height} pixels`;
  if (window) {
    const [x, y, width, height] = window;
    if (window.length !== 4 || !window.every(Number.isInteger) || x < 0 || y < 0 || width < 1 || height < 1)
      throw new Fault(`window: ${window}; four integers: column, row, width, height, such as 0,0,512,512`);
    if (x + width > grid.width || y + height > grid.height)
      throw new Fault(`window: ${window}; reaches beyond the scene, ${size}`);
    return window;
  }
  const box = bbox as NonNullable<typeof bbox>;
  if (box.length !== 4 || !box.every(Number.isFinite) || !(box[0] < box[2] && box[1] < box[3]))
    throw new Fault(`bbox: ${box}; left, bottom, right, top in the scene’s coordinates`);
  if (!grid.georeference) throw new Fault(`bbox: ${box}; the scene has no georeference, give --window`);
  const [x, y, width, height] = windowOf(box, grid.georeference);
  const [left, top] = [Math.max(0, x), Math.max(0, y)];
  const [right, bottom] = [Math.min(grid.width, x + width), Math.min(grid.height, y + height)];
  if (right <= left || bottom <= top) {
    const [x0, a, b, y0, d, e] = grid.georeference.transform;
    const far = [x0 + a * grid.width + b * grid.height, y0 + d * grid.width + e * grid.height];
    throw new Fault(
      `bbox: ${box}; lies outside the scene, which reaches from ${x0}, ${y0} to ${far.join(', ')} (${grid.georeference.epsg === null ? 'its CRS' : `EPSG:${grid.georeference.epsg}`})`,
    );
  }
  return [left, top, right - left, bottom - top];
};

/** The georeference of a part. */
export const partGeoreference = (
  georeference: Georeference | null,
  [x, y]: RasterWindow,
): Georeference | null => {
  if (!georeference) return null;
  const [x0, a, b, y0, d, e] = georeference.transform;
  return { ...georeference, transform: [x0 + a * x + b * y, a, b, y0 + d * x + e * y, d, e] };
};
