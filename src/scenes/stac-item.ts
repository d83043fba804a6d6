import { basename } from 'node:path';
import type { Georeference } from '../raster/georeference.js';
import type { AcquisitionTime } from './acquisition-time.js';
import { footprintOf } from './footprint.js';

/** A file of the product. */
export interface StacAsset {
  path: string;
  type: string;
  title: string;
  roles: string[];
  /** Bytes. */
  size: number;
  bands?: { name: string; dataType: string; nodata: number | null; scale?: number; offset?: number }[];
}

export interface StacContext {
  id: string;
  width: number;
  height: number;
  georeference: Georeference | null;
  acquired: AcquisitionTime | null;
  /** Time of processing, ISO 8601. */
  created: string;
  version: string;
  lineage: string;
  /** Provenance, under `bandalign:`. */
  provenance: Record<string, unknown>;
  assets: Record<string, StacAsset>;
}

/** Common names of the eo extension; bands that it does not know have none. */
const commonNames = new Set(['coastal', 'blue', 'green', 'red', 'nir', 'nir08', 'nir09', 'cirrus']);

/** Sentinel-2A's launch: the earliest a scene can be from. */
const earliest = '2015-06-23T00:00:00Z';

const nodataOf = (nodata: number | null): Record<string, unknown> =>
  // JSON has none of these numbers; the raster extension spells them so
  nodata === null
    ? {}
    : {
        nodata: Number.isNaN(nodata) ? 'nan' : Number.isFinite(nodata) ? nodata : nodata > 0 ? 'inf' : '-inf',
      };

const assetOf = ({ path, type, title, roles, size, bands }: StacAsset) => ({
  href: `./${encodeURIComponent(basename(path))}`,
  type,
  title,
  roles,
  'file:size': size,
  ...(bands && {
    bands: bands.map((band) => ({
      name: band.name,
      data_type: band.dataType,
      ...nodataOf(band.nodata),
      ...(band.scale === undefined ? {} : { 'raster:scale': band.scale, 'raster:offset': band.offset ?? 0 }),
      ...(commonNames.has(band.name) ? { 'eo:common_name': band.name } : {}),
    })),
  }),
});

const projection = ({ georeference, width, height }: StacContext): Record<string, unknown> => {
  if (georeference === null) return { 'proj:shape': [height, width] };
  const [x0, a, b, y0, d, e] = georeference.transform;
  return {
    'proj:code': georeference.epsg === null ? null : `EPSG:${georeference.epsg}`,
    'proj:shape': [height, width],
    'proj:transform': [a, b, x0, d, e, y0, 0, 0, 1],
  };
};

/**
 * A STAC 1.1 Item of an aligned scene, with the projection, raster, eo, file and processing extensions. An unknown
 * time of acquisition becomes the interval from Sentinel-2's launch to the processing; an unknown projection leaves
 * the geometry null.
 */
export const stacItem = (context: StacContext): Record<string, unknown> => {
  const { id, georeference, width, height, acquired, created, version, lineage, provenance } = context;
  const footprint = georeference && footprintOf(georeference, width, height);
  return {
    type: 'Feature',
    stac_version: '1.1.0',
    stac_extensions: [
      'https://stac-extensions.github.io/projection/v2.0.0/schema.json',
      'https://stac-extensions.github.io/raster/v2.0.0/schema.json',
      'https://stac-extensions.github.io/eo/v2.0.0/schema.json',
      'https://stac-extensions.github.io/file/v2.1.0/schema.json',
      'https://stac-extensions.github.io/processing/v1.2.0/schema.json',
    ],
    id,
    geometry: footprint?.geometry ?? null,
    ...(footprint && { bbox: footprint.bbox }),
    properties: {
      ...(acquired
        ? { datetime: acquired.datetime }
        : { datetime: null, start_datetime: earliest, end_datetime: created }),
      created,
      ...projection(context),
      'processing:lineage': lineage,
      'processing:software': { bandalign: version },
      'processing:datetime': created,
      ...Object.fromEntries(Object.entries(provenance).map(([key, value]) => [`bandalign:${key}`, value])),
    },
    links: [],
    assets: Object.fromEntries(Object.entries(context.assets).map(([key, asset]) => [key, assetOf(asset)])),
  };
};
