import type { Scene } from './open-scene.js';

/** When a scene was seen, ISO 8601 UTC, and how that is known. */
export interface AcquisitionTime {
  datetime: string;
  origin: 'MTD_MSIL2A.xml' | 'STAC item' | 'metadata of the file' | 'file name';
}

const iso = (date: string, time = '000000'): string | null => {
  const text = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}Z`;
  const parsed = new Date(text);
  // the calendar must have that day
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(text.slice(0, 10)) ? text : null;
};

/** Items in which producers write the time of acquisition: GDAL's own, HLS, Landsat, Sentinel-2. */
const items = [
  'ACQUISITIONDATETIME',
  'ACQUISITION_DATETIME',
  'SENSING_TIME',
  'DATATAKE_1_DATATAKE_SENSING_START',
  'PRODUCT_START_TIME',
  'DATE_ACQUIRED',
  'ACQUISITION_DATE',
];

const statedTime = (scene: Pick<Scene, 'items'>): string | null => {
  for (const item of items) {
    const found = Object.entries(scene.items).find(([name]) => name.toUpperCase() === item)?.[1] ?? '';
    // HLS writes a time for each of its granules: the first
    const text = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?)?/.exec(found.trim())?.[0];
    const time =
      text && new Date(`${text.replace(' ', 'T').replace(/Z$/, '')}${text.length > 10 ? 'Z' : ''}`);
    if (time && !Number.isNaN(time.getTime())) return time.toISOString();
  }
  return null;
};

/** A folder that is a product: one that somebody downloaded things into has dates of its own. */
const isProduct = (folder: string): boolean =>
  /^(?:S2[A-D]|L[CETO]0[4-9]|HLS|GF1|T\d{2}[A-Z]{3})[_.]/i.test(folder) || /\.SAFE$/i.test(folder);

/**
 * By the product's metadata, the file's own, else the first date that stands by itself (`…_20200219_…`,
 * `…_20200219T112119_…`) in the file's name or in that of a product's folder around it; null where there is none. It
 * decides nothing but the STAC Item's date.
 */
export const acquisitionTime = (
  scene: Pick<Scene, 'inputs' | 'metadata' | 'items'>,
): AcquisitionTime | null => {
  const stated = scene.metadata?.datetime;
  if (stated && !Number.isNaN(new Date(stated).getTime()))
    return { datetime: new Date(stated).toISOString(), origin: scene.metadata!.origin };
  const own = statedTime(scene);
  if (own) return { datetime: own, origin: 'metadata of the file' };
  const [file, ...folders] = scene.inputs[0].split(/[?#]/)[0].split(/[/\\]/).reverse();
  for (const part of [file, ...folders.slice(0, 5).filter(isProduct)])
    for (const [, date, time] of part.matchAll(/(?<![0-9])((?:19|20)\d{6})(?:T(\d{6}))?(?![0-9])/g)) {
      const datetime = iso(date, time);
      if (datetime) return { datetime, origin: 'file name' };
    }
  return null;
};
