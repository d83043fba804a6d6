import type { Acquisition } from './acquisition.js';
import { tileName } from './acquisition.js';
import { dayOf, parseTime } from './days.js';
import { readProductName } from './product-names.js';
import { remembered } from './remembered.js';
import { knownSensors, platformName } from './sensors.js';

/** The raw values of one item, as texts; undefined where its source has no such value at all. */
export interface Fields {
  tile: string | undefined;
  sensor: string | undefined;
  datetime: string | undefined;
  /** First and last time of what an item without a time of its own is made of. */
  start?: string;
  end?: string;
  /** Percent, or fractions of 1 where a whole file has no higher value: see {@link ReadContext.clouds}. */
  cloud?: string;
  /** Fraction of 1. */
  clear?: string;
  /** Percent. */
  nodata?: string;
  id?: string;
  /** The scene's middle, which stands for the tile where none is named: see `gridPlaces`. */
  place?: () => string | null;
  /** Texts of which one may be a product's name, which tells what other fields lack; `id` by default. */
  names?: readonly string[];
}

/** How a reader is told about sensors of the user's own, and where it leaves what it finds. */
export interface ReadContext {
  /** Names in `--sensors`: known even where the program does not know them. */
  named: readonly string[];
  faults: string[];
  /** Cloud of each acquisition of the file at hand as it is written, NaN where it tells the clear share instead. */
  clouds?: number[];
  /** True where a mapping says that cloud is in percent. */
  percent?: boolean;
  /** Items of the file at hand that are of sensors nobody asked for and the program does not know: how many of each. */
  others?: Map<string, number>;
}

const tileOf = remembered(tileName);
const platformOf = remembered((text) => platformName(text) ?? '');

const isBlank = (text: string | undefined): boolean => text === undefined || text.trim() === '';

/** A number from 0 to `whole`; reports a fault where it is absent or outside. */
const share = (
  text: string | undefined,
  role: string,
  whole: 1 | 100,
  report: (fault: string) => void,
): number => {
  const allowed = whole === 100 ? 'percent between 0 and 100' : 'a fraction between 0 and 1';
  if (isBlank(text)) {
    report(`${role} is absent; give ${allowed}`);
    return Number.NaN;
  }
  const value = Number(text);
  if (!(value >= 0 && value <= whole)) report(`${role} ${text}; give ${allowed}`);
  return value;
};

/** The time of an item without one: the start of its period where that lies within a day; a fault's text else. */
const timeOfPeriod = ({ start = '', end = '' }: Fields): number | string | null => {
  const [from, to] = [parseTime(start), parseTime(end)];
  if (from === null || to === null) return null;
  return dayOf(from) === dayOf(to)
    ? from
    : `a composite: start_datetime ${start} and end_datetime ${end} are days apart, so it has no day of its own; leave composites out, or take their start with --columns datetime=start_datetime`;
};

const toldByName = (names: readonly string[]): Acquisition | null => {
  for (const name of names) {
    const told = readProductName(name);
    if (told !== null && typeof told !== 'string') return told;
  }
  return null;
};

/**
 * One acquisition from its texts; a product's name fills in tile, sensor and time. Every fault is left in
 * `context.faults`, behind `where` (file and line or item); null where there is any, and for a sensor that is not known,
 * which `context.others` counts.
 */
export const readFields = (fields: Fields, where: () => string, context: ReadContext): Acquisition | null => {
  const told =
    isBlank(fields.tile) || isBlank(fields.sensor) || isBlank(fields.datetime)
      ? toldByName(fields.names ?? [fields.id ?? ''])
      : null;
  const sensor = (fields.sensor ?? '').trim();
  const platform =
    sensor === ''
      ? (told?.platform ?? null)
      : platformOf(sensor) || platformName(sensor, context.named) || null;
  if (platform === null && sensor !== '' && context.others) {
    context.others.set(sensor, (context.others.get(sensor) ?? 0) + 1);
    return null;
  }
  let sound = true;
  const report = (fault: string): void => {
    sound = false;
    context.faults.push(`${where()}: ${fault}`);
  };
  const tile = isBlank(fields.tile) ? (told?.tile ?? fields.place?.() ?? '') : tileOf(fields.tile!);
  if (tile === '') report('tile is absent; name the column or property that holds it');
  if (platform === null)
    report(
      sensor === ''
        ? 'sensor is absent; name the column or property that holds it'
        : `sensor ${sensor} is unknown; known are ${knownSensors.join(', ')} and what --sensors names`,
    );
  let time: number | string | null;
  if (isBlank(fields.datetime)) {
    time = timeOfPeriod(fields) ?? told?.time ?? null;
    if (time === null) report('datetime is absent; give an ISO 8601 date or time');
    else if (typeof time === 'string') report(time);
  } else {
    time = parseTime(fields.datetime!);
    if (time === null)
      report(`datetime ${fields.datetime} is no date; give ISO 8601, as 2024-07-09T17:49:09Z`);
  }
  let [clear, cloud] = [0, Number.NaN];
  if (fields.clear !== undefined) clear = share(fields.clear, 'clear', 1, report);
  // in percent first, so that 90 % cloud is exactly 0.1 clear
  else {
    cloud = share(fields.cloud, 'cloud', 100, report);
    clear = (100 - cloud) / 100;
  }
  if (fields.nodata !== undefined) clear *= (100 - share(fields.nodata, 'nodata', 100, report)) / 100;
  if (!sound) return null;
  context.clouds?.push(cloud);
  return { tile, platform: platform!, time: time as number, clear };
};
