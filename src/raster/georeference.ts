import type { GeoTIFFImage } from 'geotiff';
import { epsgKeys, type GeoKeys } from './crs.js';

/** Where a raster lies on the ground. */
export interface Georeference {
  /**
   * `[x0, a, b, y0, d, e]` in GDAL's order, CRS units: the upper left corner of pixel (column, row) is at
   * x = x0 + a·column + b·row, y = y0 + d·column + e·row. Files of points (PixelIsPoint) are shifted to this.
   */
  transform: readonly [number, number, number, number, number, number];
  /** EPSG code of the projected or geographic CRS; null where the keys name none. */
  epsg: number | null;
  /** False where the file says that its samples are points; `transform` is of corners all the same. */
  pixelIsArea: boolean;
  /** Null where the file has a transform but no CRS. */
  geoKeys: GeoKeys | null;
}

const userDefined = 32767;
const projected = 1;
const geographic = 2;

/** What the GeoTIFF tags of an image say of its place, each part null where they are silent. */
export interface StatedPlace {
  transform: Georeference['transform'] | null;
  epsg: number | null;
  pixelIsArea: boolean;
  geoKeys: GeoKeys | null;
  /** Several tie points without a scale: ground control points, not an affine map. */
  hasPoints: boolean;
  /** Rational polynomial coefficients. */
  hasRpc: boolean;
}

/** Several tie points beside a scale are GDAL's to read as the first of them. A negative height of a pixel is its size. */
const transformOf = (image: GeoTIFFImage): Georeference['transform'] | null => {
  const directory = image.fileDirectory;
  const scale = directory.getValue('ModelPixelScale');
  const tie = directory.getValue('ModelTiepoint');
  if (scale && tie && tie.length >= 6 && scale[0] !== 0 && scale[1] !== 0) {
    const height = Math.abs(scale[1]);
    return [tie[3] - tie[0] * scale[0], scale[0], 0, tie[4] + tie[1] * height, 0, -height];
  }
  const matrix = directory.getValue('ModelTransformation');
  return matrix && matrix.length >= 8
    ? [matrix[3], matrix[0], matrix[1], matrix[7], matrix[4], matrix[5]]
    : null;
};

/** The code of the CRS itself: that of a base under a projection without one names another. */
const epsgOf = (keys: ReturnType<GeoTIFFImage['getGeoKeys']>): number | null => {
  const model = Number(keys?.GTModelTypeGeoKey);
  const code = Number(
    model === projected
      ? keys?.ProjectedCSTypeGeoKey
      : model === geographic
        ? keys?.GeographicTypeGeoKey
        : Number.NaN,
  );
  return code > 0 && code < userDefined ? code : null;
};

/** What an image says of its place (GeoTIFF 1.1). */
export const placeOf = (image: GeoTIFFImage): StatedPlace => {
  const directory = image.fileDirectory;
  const transform = transformOf(image);
  const keys = image.getGeoKeys();
  const raw = directory.getValue('GeoKeyDirectory');
  const tie = directory.getValue('ModelTiepoint') as ArrayLike<number> | undefined;
  const pixelIsArea = keys?.GTRasterTypeGeoKey !== 2;
  return {
    transform: transform && !pixelIsArea ? cornersOf(transform) : transform,
    epsg: epsgOf(keys),
    pixelIsArea,
    geoKeys: raw
      ? {
          directory: Array.from(raw),
          doubles: Array.from((directory.getValue('GeoDoubleParams') as ArrayLike<number> | undefined) ?? []),
          ascii: String(directory.getValue('GeoAsciiParams') ?? '').replace(/\0+$/, ''),
        }
      : null,
    hasPoints: transform === null && (tie?.length ?? 0) > 6,
    hasRpc: directory.hasTag(rpcTag),
  };
};

const rpcTag = 50844;

/** A transform of centres of pixels as one of their upper left corners. */
const cornersOf = ([x0, a, b, y0, d, e]: Georeference['transform']): Georeference['transform'] => [
  x0 - (a + b) / 2,
  a,
  b,
  y0 - (d + e) / 2,
  d,
  e,
];

/**
 * How two georeferences contradict each other, in words; null if they do not. Corners must agree to a thousandth of
 * a pixel over `width` × `height` pixels. One that is absent contradicts nothing, and neither does an unnamed CRS.
 */
export const georeferenceConflict = (
  first: Georeference | null,
  second: Georeference | null,
  width: number,
  height: number,
): string | null => {
  if (first === null || second === null) return null;
  if (first.epsg !== null && second.epsg !== null && first.epsg !== second.epsg)
    return `EPSG:${first.epsg} and EPSG:${second.epsg}`;
  const [a, b] = [first.transform, second.transform];
  const pixel = Math.min(Math.hypot(a[1], a[4]), Math.hypot(a[2], a[5]));
  const corner = (t: Georeference['transform'], column: number, row: number): [number, number] => [
    t[0] + t[1] * column + t[2] * row,
    t[3] + t[4] * column + t[5] * row,
  ];
  for (const [column, row] of [
    [0, 0],
    [width, 0],
    [0, height],
    [width, height],
  ]) {
    const [x1, y1] = corner(a, column, row);
    const [x2, y2] = corner(b, column, row);
    if (Math.hypot(x1 - x2, y1 - y2) > 1e-3 * pixel)
      return `corner (${column}, ${row}) at ${x1}, ${y1} and ${x2}, ${y2}`;
  }
  return null;
};

/** The georeference of a window that begins at (column, row). */
export const shiftGeoreference = (georeference: Georeference, column: number, row: number): Georeference => {
  const [x0, a, b, y0, d, e] = georeference.transform;
  return {
    ...georeference,
    transform: [x0 + a * column + b * row, a, b, y0 + d * column + e * row, d, e],
  };
};

/** A north-up georeference in a projected CRS: `x`, `y` is the upper left corner, CRS units. */
export const projectedGeoreference = (epsg: number, x: number, y: number, pixel: number): Georeference => ({
  transform: [x, pixel, 0, y, 0, -pixel],
  epsg,
  pixelIsArea: true,
  geoKeys: epsgKeys(epsg, 'projected'),
});
