import type { Acquisition, Outline } from './acquisition.js';
import { tileName } from './acquisition.js';
import { parseTime } from './days.js';
import { knownSensors, platformName } from './sensors.js';

/** The raw values of one item, as texts; undefined where its source has no such value at all. */
export interface Fields {
  tile: string | undefined;
  sensor: string | undefined;
  datetime: string | undefined;
  /** Percent. */
  cloud?: string;
  /** Fraction of 1. */
  clear?: string;
  /** Percent. */
  nodata?: string;
  id?: string;
}

/** How a reader is told about sensors of the user's own, and where it leaves the faults it finds. */
export interface ReadContext {
  /** Names in `--sensors`: known even where the program does not know them. */
  named: readonly string[];
  faults: string[];
  /** Cloud values read as percent, of the file at hand: how many, and the highest. */
  percents?: { count: number; highest: number };
  /** Items of the file at hand that are of sensors nobody asked for and the program does not know: how many of each. */
  others?: Map<string, number>;
}

const number = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text));

/** A number from 0 to `whole`; reports a fault where it is absent or outside. */
const share = (
  text: string | undefined,
  role: string,
  whole: 1 | 100,
  report: (fault: string) => void,
): number => {
  const allowed = whole === 100 ? 'percent between 0 and 100' : 'a fraction between 0 and 1';
  const value = text === undefined ? Number.NaN : number(text);
  if (text === undefined || text.trim() === '') report(`${role} is absent; give ${allowed}`);
  else if (!(value >= 0 && value <= whole)) report(`${role} ${text}; give ${allowed}`);
  return value;
};

/**
 * One acquisition from its texts. Every fault is left in `context.faults`, behind `where` (file and line or item);
 * null where there is any, and for a sensor that is not known, which `context.others` counts.
 */
export const readFields = (fields: Fields, where: string, context: ReadContext): Acquisition | null => {
  const platform = platformName(fields.sensor ?? '', context.named);
  const sensor = (fields.sensor ?? '').trim();
  if (platform === null && sensor !== '' && context.others) {
    context.others.set(sensor, (context.others.get(sensor) ?? 0) + 1);
    return null;
  }
  let sound = true;
  const report = (fault: string): void => {
    sound = false;
    context.faults.push(`${where}: ${fault}`);
  };
  const tile = tileName(fields.tile ?? '');
  if (tile === '') report('tile is absent; name the column or property that holds it');
  if (sensor === '') report('sensor is absent; name the column or property that holds it');
  else if (platform === null)
    report(
      `sensor ${fields.sensor} is unknown; known are ${knownSensors.join(', ')} and what --sensors names`,
    );
  const time = parseTime(fields.datetime ?? '');
  if ((fields.datetime ?? '').trim() === '') report('datetime is absent; give an ISO 8601 date or time');
  else if (time === null)
    report(`datetime ${fields.datetime} is no date; give ISO 8601, as 2024-07-09T17:49:09Z`);
  let clear: number;
  if (fields.clear !== undefined) clear = share(fields.clear, 'clear', 1, report);
  // in percent first, so that 90 % cloud is exactly 0.1 clear
  else {
    const cloud = share(fields.cloud, 'cloud', 100, report);
    if (context.percents) {
      context.percents.count += 1;
      context.percents.highest = Math.max(context.percents.highest, cloud);
    }
    clear = (100 - cloud) / 100;
  }
  if (fields.nodata !== undefined) clear *= (100 - share(fields.nodata, 'nodata', 100, report)) / 100;
  return sound ? { tile, platform: platform!, time: time!, clear, id: fields.id ?? '' } : null;
};

/** The outline of a box `[west, south, east, north]` in degrees (or of six numbers, heights included); null if none. */
export const boxOutline = (box: unknown): Outline | null => {
  if (!Array.isArray(box) || !box.every(Number.isFinite) || (box.length !== 4 && box.length !== 6))
    return null;
  const [west, south, east, north] = (box.length === 4 ? box : [box[0], box[1], box[3], box[4]]) as number[];
  return [
    [west, south],
    [east, south],
    [east, north],
    [west, north],
  ];
};
