import type { Outline } from './acquisition.js';

type Point = readonly [lon: number, lat: number];

const isPlace = (point: readonly unknown[]): point is Point =>
  Number.isFinite(point[0]) &&
  Number.isFinite(point[1]) &&
  Math.abs(point[0] as number) <= 360 &&
  Math.abs(point[1] as number) <= 90;

const ring = (points: readonly (readonly unknown[])[]): Outline | null => {
  const [first, last] = [points[0], points[points.length - 1]];
  const closed = points.length > 3 && first[0] === last[0] && first[1] === last[1];
  const open = closed ? points.slice(0, -1) : points;
  return open.length >= 3 && open.every(isPlace) ? open.map(([lon, lat]) => [lon, lat] as Point) : null;
};

/** The outline of a box `[west, south, east, north]` in degrees (or of six numbers, heights included); null if none. */
export const boxOutline = (box: unknown): Outline | null => {
  if (!Array.isArray(box) || (box.length !== 4 && box.length !== 6)) return null;
  const [west, south, east, north] = (box.length === 4
    ? box
    : [box[0], box[1], box[3], box[4]]) as unknown as number[];
  return ring([
    [west, south],
    [east, south],
    [east, north],
    [west, north],
  ]);
};

/** The outer ring of a GeoJSON polygon, or of a multipolygon's first part. */
export const geometryOutline = (geometry: unknown): Outline | null => {
  const { type, coordinates } = (geometry ?? {}) as { type?: unknown; coordinates?: unknown };
  const polygon = type === 'MultiPolygon' && Array.isArray(coordinates) ? coordinates[0] : coordinates;
  const outer: unknown = Array.isArray(polygon) ? polygon[0] : null;
  return Array.isArray(outer) && outer.every(Array.isArray) ? ring(outer) : null;
};

/** The outline that a text writes: well-known text (of OData too), GeoJSON or a list of four numbers. */
export const textOutline = (text: string): Outline | null => {
  const wkt = /POLYGON\s*\(+([^()]+)\)/i.exec(text);
  if (wkt) return ring(wkt[1].split(',').map((point) => point.trim().split(/\s+/).map(Number)));
  try {
    const value = JSON.parse(text) as unknown;
    return Array.isArray(value) ? boxOutline(value) : geometryOutline(value);
  } catch {
    return null;
  }
};

/** A square of `sideKm` around a place. */
export const squareOutline = ([lon, lat]: Point, sideKm: number): Outline => {
  const half = sideKm / 2 / 111.2;
  const wide = half / Math.max(0.05, Math.cos((lat * Math.PI) / 180));
  return boxOutline([lon - wide, lat - half, lon + wide, lat + half])!;
};

const corner = (latitude: string, longitude: string): readonly [string, string] => [longitude, latitude];

/** Columns of the four corners in turn, as EarthExplorer and CNSA write them. */
const cornerColumns = [
  ['Upper Left', 'Upper Right', 'Lower Right', 'Lower Left'].map((at) =>
    corner(`Corner ${at} Latitude`, `Corner ${at} Longitude`),
  ),
  ['TopLeft', 'TopRight', 'BottomRight', 'BottomLeft'].map((at) => corner(`${at}Latitude`, `${at}Longitude`)),
];
/** Columns of a scene's middle in any spelling: `CenterLatitude`, `scene_centre_lat`, `SceneCenterLat`, `中心纬度`. */
const middleForms = {
  lon: /^(?:scene)?cent(?:er|re)lon(?:g|gitude)?$|^中心点?经度$/i,
  lat: /^(?:scene)?cent(?:er|re)lat(?:itude)?$|^中心点?纬度$/i,
};
const textColumns = ['geometry', 'Footprint', 'GeoFootprint', 'wkt', '.geo', 'bbox'];

/** A GF-1 or GF-6 WFV scene is about this wide and high, km. */
export const wfvSceneKm = 200;

const finite = (text: string | undefined): number =>
  text === undefined || text.trim() === '' ? Number.NaN : Number(text);

/** How the middle of a row's scene is read from its header's columns, and which these are; null where they have none. */
export const middleReader = (
  header: readonly string[],
): { read: (row: readonly string[]) => Point | null; columns: string[] } | null => {
  const at = [middleForms.lon, middleForms.lat].map((form) =>
    header.findIndex((column) => form.test(column.replace(/[\s_-]/g, ''))),
  );
  if (at.includes(-1)) return null;
  return {
    read: (row) => {
      const point = at.map((index) => finite(row[index]));
      return isPlace(point) ? point : null;
    },
    columns: at.map((index) => header[index]),
  };
};

/** How the footprint of a row is read from its header's columns; null where they have none. */
export const footprintReader = (
  header: readonly string[],
): ((row: readonly string[]) => Outline | null) | null => {
  const at = (name: string): number =>
    header.findIndex((column) => column.toLowerCase() === name.toLowerCase());
  const has = (names: readonly string[]): boolean => names.every((name) => at(name) >= 0);
  const numbers = (row: readonly string[], names: readonly string[]): number[] =>
    names.map((name) => finite(row[at(name)]));
  const corners = cornerColumns.find((names) => has(names.flat()));
  if (corners) return (row) => ring(corners.map((names) => numbers(row, names)));
  const written = textColumns.find((name) => at(name) >= 0);
  if (written !== undefined) return (row) => textOutline(row[at(written)]);
  const middle = middleReader(header);
  return (
    middle &&
    ((row) => {
      const point = middle.read(row);
      return point && squareOutline(point, wfvSceneKm);
    })
  );
};
