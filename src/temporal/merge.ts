import type { Acquisition } from './acquisition.js';
import { dayOf, type Period } from './days.js';
import { counts } from './sensors.js';

/** Observations of one tile by one sensor (or several): a day each, ascending. */
export interface DaySeries {
  days: Int32Array;
  /** Clear share of each day, 0 … 1; NaN where its source cannot say. */
  clear: Float64Array;
  /** Images that were merged into each day. */
  images: Int32Array;
}

/** Merged observations by tile and sensor. */
export type TileSeries = Map<string, Map<string, DaySeries>>;

/** Two images of one sensor closer than this are one look: parts of a datatake, a baseline and its reprocessing. */
export const twinMinutes = 30;

const clearest = (a: number, b: number): number =>
  Number.isNaN(a) ? b : Number.isNaN(b) ? a : Math.max(a, b);

/** The value of a clear share that may be unknown. */
const shareOf = (clear: number | null): number => clear ?? Number.NaN;

/**
 * Merges the images of one tile and sensor: one observation per UTC day, with the day's clearest value. Images less
 * than {@link twinMinutes} after the one before, over midnight, belong to the day on which that look began.
 * A merged day has a known clear share where any of its images has.
 */
export const mergeDays = (images: readonly Pick<Acquisition, 'time' | 'clear'>[]): DaySeries => {
  const sorted = [...images].sort((a, b) => a.time - b.time);
  const days: number[] = [];
  const clear: number[] = [];
  const count: number[] = [];
  let previous = Number.NEGATIVE_INFINITY;
  for (const image of sorted) {
    const last = days.length - 1;
    const sameLook = image.time - previous < twinMinutes * 60_000;
    if (last >= 0 && (sameLook || dayOf(image.time) === days[last])) {
      clear[last] = clearest(clear[last], shareOf(image.clear));
      count[last] += 1;
    } else {
      days.push(dayOf(image.time));
      clear.push(shareOf(image.clear));
      count.push(1);
    }
    previous = image.time;
  }
  return { days: Int32Array.from(days), clear: Float64Array.from(clear), images: Int32Array.from(count) };
};

/** Merges every tile and sensor. Tiles are sorted by name; every tile has an entry for every sensor, empty or not. */
export const mergeTiles = (acquisitions: readonly Acquisition[], sensors: readonly string[]): TileSeries => {
  const images = new Map<string, Acquisition[][]>();
  const sensorsOf = new Map<string, number[]>();
  for (const image of acquisitions) {
    let which = sensorsOf.get(image.platform);
    if (which === undefined) {
      which = sensors.flatMap((sensor, index) => (counts(sensor, image.platform) ? [index] : []));
      sensorsOf.set(image.platform, which);
    }
    if (which.length === 0) continue;
    let ofTile = images.get(image.tile);
    if (ofTile === undefined) {
      ofTile = sensors.map(() => []);
      images.set(image.tile, ofTile);
    }
    for (const index of which) ofTile[index].push(image);
  }
  return new Map(
    [...images]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([tile, lists]) => [tile, new Map(lists.map((list, index) => [sensors[index], mergeDays(list)]))]),
  );
};

/** Observations of several sensors together: a day seen by more than one counts once, with its clearest value. */
export const uniteDays = (parts: readonly DaySeries[]): DaySeries => {
  if (parts.length === 1) return parts[0];
  const longest = parts.reduce((sum, { days }) => sum + days.length, 0);
  const days = new Int32Array(longest);
  const clear = new Float64Array(longest).fill(Number.NaN);
  const images = new Int32Array(longest);
  const at = parts.map(() => 0);
  let n = 0;
  for (; ; n++) {
    let day = Number.POSITIVE_INFINITY;
    for (let part = 0; part < parts.length; part++)
      if (at[part] < parts[part].days.length) day = Math.min(day, parts[part].days[at[part]]);
    if (day === Number.POSITIVE_INFINITY) break;
    days[n] = day;
    for (let part = 0; part < parts.length; part++) {
      const index = at[part];
      if (index >= parts[part].days.length || parts[part].days[index] !== day) continue;
      clear[n] = clearest(clear[n], parts[part].clear[index]);
      images[n] += parts[part].images[index];
      at[part] += 1;
    }
  }
  return { days: days.slice(0, n), clear: clear.slice(0, n), images: images.slice(0, n) };
};

/** The days of a series within a period. */
export const within = ({ days, clear, images }: DaySeries, { from, to }: Period): DaySeries => {
  let start = 0;
  while (start < days.length && days[start] < from) start++;
  let end = days.length;
  while (end > start && days[end - 1] > to) end--;
  return {
    days: days.subarray(start, end),
    clear: clear.subarray(start, end),
    images: images.subarray(start, end),
  };
};
