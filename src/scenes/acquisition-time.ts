import type { Scene } from './open-scene.js';

/** When a scene was seen, ISO 8601 UTC, and how that is known. */
export interface AcquisitionTime {
  datetime: string;
  origin: 'MTD_MSIL2A.xml' | 'file name';
}

const iso = (date: string, time = '000000'): string | null => {
  const text = `${date.slice(0, 4)}-${date.slice(4, 6)}-${date.slice(6)}T${time.slice(0, 2)}:${time.slice(2, 4)}:${time.slice(4)}Z`;
  const parsed = new Date(text);
  // the calendar must have that day
  return !Number.isNaN(parsed.getTime()) && parsed.toISOString().startsWith(text.slice(0, 10)) ? text : null;
};

/**
 * By the product's metadata, else the first date in the last two parts of the input's path that stands by itself
 * (`…_20200219_…`, `…_20200219T112119_…`); null where there is none. It decides nothing but the STAC Item's date.
 */
export const acquisitionTime = (scene: Pick<Scene, 'inputs' | 'metadata'>): AcquisitionTime | null => {
  const stated = scene.metadata?.datetime;
  if (stated && !Number.isNaN(new Date(stated).getTime()))
    return { datetime: new Date(stated).toISOString(), origin: 'MTD_MSIL2A.xml' };
  const parts = scene.inputs[0].split(/[?#]/)[0].split(/[/\\]/).slice(-2).reverse();
  for (const part of parts)
    for (const [, date, time] of part.matchAll(/(?<![0-9])((?:19|20)\d{6})(?:T(\d{6}))?(?![0-9])/g)) {
      const datetime = iso(date, time);
      if (datetime) return { datetime, origin: 'file name' };
    }
  return null;
};
