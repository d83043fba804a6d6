import proj4 from 'proj4';
import { Fault } from '../fault.js';
import type { Georeference } from '../raster/georeference.js';
import { nodataSample, type Pixels, pixelArrays, type Raster, type RasterWindow } from '../raster/raster.js';
import { projectionOf } from './footprint.js';

/** Width, height and place of pixels. */
export interface Grid {
  width: number;
  height: number;
  georeference: Georeference | null;
}

type Point = [number, number];
type Transform = Georeference['transform'];

/** Places between which positions are interpolated, pixels: bent by less than a tenth of a pixel in UTM. */
const knotSpacing = 16;

const inverse = ([x0, a, b, y0, d, e]: Transform): ((x: number, y: number) => Point) => {
  const determinant = a * e - b * d;
  return (x, y) => [(e * (x - x0) - b * (y - y0)) / determinant, (a * (y - y0) - d * (x - x0)) / determinant];
};

/** Where corners of pixels of one grid lie in another, pixels of that; null where they share a projection nobody names. */
const positions = (from: Georeference, to: Georeference, what: string): ((x: number, y: number) => Point) => {
  const back = inverse(to.transform);
  const [x0, a, b, y0, d, e] = from.transform;
  const same = from.epsg === to.epsg && from.epsg !== null;
  const [one, other] = [projectionOf(from), projectionOf(to)];
  if (same || (one !== null && one === other)) return (x, y) => back(x0 + a * x + b * y, y0 + d * x + e * y);
  if (one === null || other === null)
    throw new Fault(`grid: ${what}; its projection is not known here, bring it to the grid with gdalwarp`);
  const { forward } = proj4(one, other);
  return (x, y) => back(...(forward([x0 + a * x + b * y, y0 + d * x + e * y]) as Point));
};

/** Positions of the corners of a window's pixels, [(height + 1)·(width + 1)] each; interpolated between knots. */
const cornersOf = (position: (x: number, y: number) => Point, [x0, y0, width, height]: RasterWindow) => {
  const across = Math.ceil(width / knotSpacing) + 1;
  const down = Math.ceil(height / knotSpacing) + 1;
  const knots = Array.from({ length: across * down }, (_, i) =>
    position(x0 + (i % across) * knotSpacing, y0 + Math.floor(i / across) * knotSpacing),
  );
  const stride = width + 1;
  const x = new Float64Array(stride * (height + 1));
  const y = new Float64Array(stride * (height + 1));
  for (let row = 0; row <= height; row++)
    for (let column = 0; column <= width; column++) {
      const [i, j] = [
        Math.min(across - 2, Math.floor(column / knotSpacing)),
        Math.min(down - 2, Math.floor(row / knotSpacing)),
      ];
      const [u, v] = [column / knotSpacing - i, row / knotSpacing - j];
      const [p, q] = [knots[j * across + i], knots[j * across + i + 1]];
      const [r, s] = [knots[(j + 1) * across + i], knots[(j + 1) * across + i + 1]];
      const at = row * stride + column;
      x[at] = (1 - v) * ((1 - u) * p[0] + u * q[0]) + v * ((1 - u) * r[0] + u * s[0]);
      y[at] = (1 - v) * ((1 - u) * p[1] + u * q[1]) + v * ((1 - u) * r[1] + u * s[1]);
    }
  return { x, y, stride };
};

/** How a pixel is made of those beneath it: their mean weighted by area, or the one at its middle. */
export type Warping = 'average' | 'nearest';

/**
 * A raster brought to another grid, in the same or another projection. `average` leaves out pixels that are nodata or masked
 * by the file itself; a pixel with none left is nodata, or masked where the band states no such value. Integers are rounded
 * half up. `nearest` is for classes.
 *
 * @throws Fault where either lies nowhere, in projections that are not known, or nowhere near each other
 */
export const warpedRaster = (raster: Raster, grid: Grid, how: Warping): Raster => {
  if (raster.georeference === null || grid.georeference === null)
    throw new Fault(
      `grid: ${raster.path}; ${raster.georeference === null ? 'it' : 'the grid'} has no georeference, so that it cannot be brought to the grid`,
    );
  const position = positions(grid.georeference, raster.georeference, raster.path);
  const middle = (x: number, y: number): boolean => {
    const [column, row] = position(x, y);
    return column > 0 && row > 0 && column < raster.width && row < raster.height;
  };
  const steps = Array.from({ length: 65 }, (_, k) => k / 64);
  if (!steps.some((v) => steps.some((u) => middle(u * grid.width, v * grid.height))))
    throw new Fault(`grid: ${raster.path}; lies wholly outside the grid`);

  const whole = (): RasterWindow => [0, 0, grid.width, grid.height];
  const beneath = (window: RasterWindow) => {
    const corners = cornersOf(position, window);
    const finite = (values: Float64Array, pick: (a: number, b: number) => number, start: number): number =>
      values.reduce((best, value) => (Number.isFinite(value) ? pick(best, value) : best), start);
    const left = Math.max(0, Math.floor(finite(corners.x, Math.min, Number.POSITIVE_INFINITY)));
    const top = Math.max(0, Math.floor(finite(corners.y, Math.min, Number.POSITIVE_INFINITY)));
    const right = Math.min(raster.width, Math.ceil(finite(corners.x, Math.max, Number.NEGATIVE_INFINITY)));
    const bottom = Math.min(raster.height, Math.ceil(finite(corners.y, Math.max, Number.NEGATIVE_INFINITY)));
    const source: RasterWindow | null =
      right > left && bottom > top ? [left, top, right - left, bottom - top] : null;
    return { corners, source };
  };

  /** Means of one band, and 1 where there is one. */
  const resample = (
    pixels: Pixels,
    [left, top, columns, rows]: RasterWindow,
    isData: (index: number) => boolean,
    { x, y, stride }: ReturnType<typeof cornersOf>,
    [, , width, height]: RasterWindow,
    out: Pixels,
    found: Uint8Array,
    avoid: number | null,
  ): void => {
    const isInteger = !(out instanceof Float32Array || out instanceof Float64Array);
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const at = row * stride + column;
        const to = row * width + column;
        // the box that the pixel's opposite corners span
        const [xa, xb] = [x[at] - left, x[at + stride + 1] - left];
        const [ya, yb] = [y[at] - top, y[at + stride + 1] - top];
        const [x0, x1] = xa < xb ? [xa, xb] : [xb, xa];
        const [y0, y1] = ya < yb ? [ya, yb] : [yb, ya];
        const [cx, cy] = [Math.floor((x0 + x1) / 2), Math.floor((y0 + y1) / 2)];
        // a pixel whose middle lies outside is outside, as GDAL has it
        if (!(cx >= 0 && cy >= 0 && cx < columns && cy < rows)) continue;
        if (how === 'nearest') {
          const index = cy * columns + cx;
          if (!isData(index)) continue;
          out[to] = pixels[index];
          found[to] = 1;
          continue;
        }
        let [sum, weight] = [0, 0];
        for (let j = Math.max(0, Math.floor(y0)); j < Math.min(rows, Math.ceil(y1)); j++) {
          const high = Math.min(y1, j + 1) - Math.max(y0, j);
          for (let i = Math.max(0, Math.floor(x0)); i < Math.min(columns, Math.ceil(x1)); i++) {
            const index = j * columns + i;
            if (!isData(index)) continue;
            const area = high * (Math.min(x1, i + 1) - Math.max(x0, i));
            sum += area * pixels[index];
            weight += area;
          }
        }
        if (weight < 1e-9) continue;
        // sums of shares of a pixel may miss a half by the last digits
        const mean = isInteger ? Math.floor(sum / weight + 0.5 + 1e-9) : sum / weight;
        // a mean of valid pixels is valid
        out[to] = isInteger && mean === avoid ? mean + (mean > 0 ? -1 : 1) : mean;
        found[to] = 1;
      }
  };

  const bandsOf = (bands: readonly number[] | null | undefined): readonly number[] =>
    bands ?? Array.from({ length: raster.bands }, (_, k) => k + 1);
  const stated = (band: number): number | null => {
    const nodata = raster.bandNodata[band - 1];
    return nodata === null ? null : nodataSample(raster.type, nodata);
  };
  const isFloat = /^float/.test(raster.type);
  return {
    ...raster,
    width: grid.width,
    height: grid.height,
    georeference: grid.georeference,
    blockSize: [512, 512],
    // outside the raster there is nothing: where no value of nodata says so, the mask does
    ownMask: raster.ownMask ?? (isFloat || raster.nodata !== null ? null : 'internal mask'),
    read: async ({ window, bands: wanted } = {}) => {
      const area = window ?? whole();
      const list = bandsOf(wanted);
      const { corners, source } = beneath(area);
      const size = area[2] * area[3];
      const own = source && (await raster.readOwnMask(source));
      const read = source ? await raster.read({ window: source, bands: list }) : null;
      return list.map((band, k) => {
        const nodata = stated(band);
        const out = new pixelArrays[raster.type](size).fill(nodata ?? (isFloat ? Number.NaN : 0));
        const pixels = read?.[k];
        if (!source || !pixels) return out;
        const isData = (index: number): boolean =>
          pixels[index] !== nodata && !Number.isNaN(pixels[index]) && own?.[index] !== 0;
        resample(pixels, source, isData, corners, area, out, new Uint8Array(size), nodata);
        return out;
      });
    },
    readOwnMask: async (window) => {
      const area = window ?? whole();
      const { corners, source } = beneath(area);
      const found = new Uint8Array(area[2] * area[3]);
      if (!source) return found;
      const own = await raster.readOwnMask(source);
      const nothing = new Uint8Array(source[2] * source[3]);
      resample(
        nothing,
        source,
        (index) => own?.[index] !== 0,
        corners,
        area,
        new Uint8Array(found.length),
        found,
        null,
      );
      return found;
    },
  };
};
