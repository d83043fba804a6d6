import { globals } from 'geotiff';
import { toProj4 } from 'geotiff-geokeys-to-proj4';
import proj4 from 'proj4';
import type { GeoKeys } from '../raster/crs.js';
import type { Georeference } from '../raster/georeference.js';

type Point = [number, number];

/** An outline on the globe as GeoJSON wants it. */
export interface Footprint {
  /** Two polygons where the outline crosses the antimeridian (RFC 7946, 3.1.9). */
  geometry: { type: 'Polygon'; coordinates: Point[][] } | { type: 'MultiPolygon'; coordinates: Point[][][] };
  /** West, south, east, north; west is the greater where it crosses the antimeridian. */
  bbox: [number, number, number, number];
}

/** Points a side: meridians bend over a tile. */
const perSide = 8;

/** GeoTIFF keys by name, as the projection library takes them. */
const namedKeys = ({ directory, doubles, ascii }: GeoKeys): Record<string, unknown> => {
  const out: Record<string, unknown> = {};
  for (let at = 4; at + 3 < directory.length; at += 4) {
    const [key, location, count, value] = directory.slice(at, at + 4);
    const name = (globals.geoKeyNames as Record<number, string>)[key];
    if (name === undefined) continue;
    if (location === 0) out[name] = value;
    else if (location === 34737) out[name] = ascii.slice(value, value + count).replace(/\|$/, '');
    else if (location === 34736)
      out[name] = count === 1 ? doubles[value] : doubles.slice(value, value + count);
  }
  return out;
};

/** British National Grid with its shift to WGS 84 (EPSG:1314), good to 2 m. */
const britishGrid =
  '+proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996012717 +x_0=400000 +y_0=-100000 +ellps=airy ' +
  '+towgs84=446.448,-125.157,542.06,0.15,0.247,0.842,-20.489 +units=m +no_defs';

/**
 * A projection as proj4 text: UTM zones computed, others from the keys, without their shift of datum where that is
 * not WGS 84 (some 100 m at most, which a footprint can bear); null where none can be made.
 */
export const projectionOf = ({ epsg, geoKeys }: Georeference): string | null => {
  if (epsg === 4326) return '+proj=longlat +datum=WGS84 +no_defs';
  const zone = epsg === null ? 0 : epsg % 100;
  if (epsg !== null && zone >= 1 && zone <= 60 && (epsg - zone === 32600 || epsg - zone === 32700))
    return `+proj=utm +zone=${zone}${epsg > 32700 ? ' +south' : ''} +datum=WGS84 +units=m +no_defs`;
  if (epsg === 27700) return britishGrid;
  if (geoKeys === null) return null;
  const keys = namedKeys(geoKeys);
  // a projected system without code or method: coordinates of no known meaning
  if (keys['GTModelTypeGeoKey'] !== 2 && epsg === null && keys['ProjCoordTransGeoKey'] === undefined)
    return null;
  try {
    const { proj4: text, coordinatesConversionParameters: units } = toProj4(keys as never);
    // the tool asks for coordinates to be brought to its units first; only those already in them are taken
    // GeoTIFF coordinates are east, north whatever the axes of the system
    return text && units.x === 1 && units.y === 1 ? text.replace(/\+axis=\w+/, '') : null;
  } catch {
    return null;
  }
};

/** A longitude in −180 … 180: geographic rasters may count from 0 to 360. */
const wrapped = (lon: number): number => (lon > 180 ? lon - 360 : lon < -180 ? lon + 360 : lon);

const closed = (ring: Point[]): Point[] => [...ring, ring[0]];

/** The part of a ring on one side of longitude 180, its edges cut there (Sutherland and Hodgman). */
const cutAt180 = (ring: readonly Point[], west: boolean): Point[] => {
  const inside = ([lon]: Point): boolean => (west ? lon <= 180 : lon >= 180);
  return ring.flatMap((point, k) => {
    const before = ring[(k + ring.length - 1) % ring.length];
    const share = (180 - before[0]) / (point[0] - before[0]);
    const crossing: Point = [180, before[1] + share * (point[1] - before[1])];
    const kept = inside(point) ? [point] : [];
    return inside(before) === inside(point) ? kept : [crossing, ...kept];
  });
};

const outline = (ring: Point[]): Footprint => {
  const lat = ring.map(([, y]) => y);
  const [south, north] = [Math.min(...lat), Math.max(...lat)];
  const lon = ring.map(([x]) => x);
  if (Math.max(...lon) - Math.min(...lon) <= 180)
    return {
      geometry: { type: 'Polygon', coordinates: [closed(ring)] },
      bbox: [Math.min(...lon), south, Math.max(...lon), north],
    };
  const unwrapped = ring.map(([x, y]): Point => [x < 0 ? x + 360 : x, y]);
  const west = cutAt180(unwrapped, true);
  const east = cutAt180(unwrapped, false).map(([x, y]): Point => [x - 360, y]);
  return {
    geometry: { type: 'MultiPolygon', coordinates: [[closed(west)], [closed(east)]] },
    bbox: [Math.min(...west.map(([x]) => x)), south, Math.max(...east.map(([x]) => x)), north],
  };
};

/**
 * The outline of `width` × `height` pixels in longitude and latitude (WGS 84); null where the projection is unknown.
 */
export const footprintOf = (georeference: Georeference, width: number, height: number): Footprint | null => {
  const projection = projectionOf(georeference);
  if (projection === null) return null;
  const [x0, a, b, y0, d, e] = georeference.transform;
  const side = (from: [number, number], to: [number, number]): Point[] =>
    Array.from({ length: perSide }, (_, k) => [
      from[0] + ((to[0] - from[0]) * k) / perSide,
      from[1] + ((to[1] - from[1]) * k) / perSide,
    ]);
  const corners: Point[] = [
    [0, height],
    [width, height],
    [width, 0],
    [0, 0],
  ];
  let ring: Point[];
  try {
    const toDegrees = proj4(projection, 'WGS84');
    ring = corners
      .flatMap((corner, k) => side(corner, corners[(k + 1) % 4]))
      .map(([column, row]) => toDegrees.forward([x0 + a * column + b * row, y0 + d * column + e * row]))
      .map(([lon, lat]) => [Number(lon.toFixed(7)), Number(lat.toFixed(7))]);
  } catch {
    return null;
  }
  // what is not on the globe was not in degrees, or far outside its projection
  const onGlobe = ring.every(([lon, lat]) => Math.abs(lon) <= 360 && Math.abs(lat) <= 90);
  return onGlobe ? outline(ring.map(([lon, lat]) => [wrapped(lon), lat])) : null;
};
