import type { GeoTIFFImage } from 'geotiff';

/** The CRS as GeoTIFF keys, as they stand in the file, so that a writer can carry them over whole. */
export interface GeoKeys {
  directory: readonly number[];
  doubles: readonly number[];
  ascii: string;
}

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

const transformOf = (image: GeoTIFFImage): Georeference['transform'] | null => {
  const directory = image.fileDirectory;
  const matrix = directory.getValue('ModelTransformation');
  if (matrix && matrix.length >= 8) return [matrix[3], matrix[0], matrix[1], matrix[7], matrix[4], matrix[5]];
  const scale = directory.getValue('ModelPixelScale');
  const tie = directory.getValue('ModelTiepoint');
  // several tie points are ground control points, not an affine map
  if (!scale || !tie || tie.length !== 6) return null;
  return [tie[3] - tie[0] * scale[0], scale[0], 0, tie[4] + tie[1] * scale[1], 0, -scale[1]];
};

/** The georeference of an image (GeoTIFF 1.1, its transformation and key directory); null where it has none. */
export const georeferenceOf = (image: GeoTIFFImage): Georeference | null => {
  const transform = transformOf(image);
  if (transform === null) return null;
  const directory = image.fileDirectory;
  const keys = image.getGeoKeys();
  const raw = directory.getValue('GeoKeyDirectory');
  const code = [keys?.ProjectedCSTypeGeoKey, keys?.GeographicTypeGeoKey].map(Number);
  const epsg = code.find((value) => value > 0 && value < userDefined) ?? null;
  const pixelIsArea = keys?.GTRasterTypeGeoKey !== 2;
  const [x0, a, b, y0, d, e] = transform;
  return {
    transform: pixelIsArea ? transform : [x0 - (a + b) / 2, a, b, y0 - (d + e) / 2, d, e],
    // a geographic base under a user-defined projection does not name the CRS
    epsg: code[0] === userDefined ? null : epsg,
    pixelIsArea,
    geoKeys: raw
      ? {
          directory: Array.from(raw),
          doubles: Array.from((directory.getValue('GeoDoubleParams') as ArrayLike<number> | undefined) ?? []),
          ascii: String(directory.getValue('GeoAsciiParams') ?? '').replace(/\0+$/, ''),
        }
      : null,
  };
};

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
  geoKeys: {
    // version 1.1.0, three keys: projected model, pixel is area, the CRS
    directory: [1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, epsg],
    doubles: [],
    ascii: '',
  },
});
