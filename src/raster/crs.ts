/** The CRS as GeoTIFF keys, as they stand in the file, so that a writer can carry them over whole. */
export interface GeoKeys {
  directory: readonly number[];
  doubles: readonly number[];
  ascii: string;
}

/** A CRS by its EPSG code, as GeoTIFF keys say it: model, pixel is area, the code. */
export const epsgKeys = (epsg: number, kind: 'projected' | 'geographic'): GeoKeys => ({
  directory: [
    ...[1, 1, 0, 3],
    ...[1024, 0, 1, kind === 'projected' ? 1 : 2],
    ...[1025, 0, 1, 1],
    ...[kind === 'projected' ? 3072 : 2048, 0, 1, epsg],
  ],
  doubles: [],
  ascii: '',
});

/** EPSG codes of geographic systems lie between these, save a few. */
const isGeographic = (epsg: number): boolean => epsg >= 4000 && epsg < 5000;

/** A CRS of a text: its EPSG code, and the same as GeoTIFF keys. */
export interface NamedCrs {
  epsg: number;
  geoKeys: GeoKeys;
}

/**
 * The CRS that well-known text (1 or 2) or `EPSG:n` names: by the code that stands at its end, else by the name of a UTM
 * zone on WGS 84; null where it has neither.
 */
export const crsOfText = (text: string): NamedCrs | null => {
  const named = (epsg: number, kind: 'projected' | 'geographic'): NamedCrs | null =>
    epsg > 0 && epsg < 32767 ? { epsg, geoKeys: epsgKeys(epsg, kind) } : null;
  const plain = /^\s*(?:urn:ogc:def:crs:)?EPSG:+(?:[\d.]*:)?(\d+)\s*$/i.exec(text);
  if (plain) return named(Number(plain[1]), isGeographic(Number(plain[1])) ? 'geographic' : 'projected');
  const kind = /^\s*(?:COMPD_CS|COMPOUNDCRS|BOUNDCRS)\b/i.test(text)
    ? null
    : /^\s*(?:PROJCS|PROJCRS|PROJECTEDCRS)\b/i.test(text)
      ? 'projected'
      : /^\s*(?:GEOGCS|GEOGCRS|GEODCRS|GEOGRAPHICCRS)\b/i.test(text)
        ? 'geographic'
        : null;
  if (kind === null) return null;
  const code = /(?:AUTHORITY|ID)\s*\[\s*"EPSG"\s*,\s*"?(\d+)"?\s*\]\s*\]\s*$/i.exec(text);
  if (code) return named(Number(code[1]), kind);
  const zone = /^\s*PROJ\w+\s*\[\s*"WGS[ _]?(?:19)?84 ?[/_] ?UTM[ _]zone[ _](\d+)([NS])"/i.exec(text);
  return zone ? named((zone[2].toUpperCase() === 'S' ? 32700 : 32600) + Number(zone[1]), 'projected') : null;
};
