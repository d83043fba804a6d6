import type { Acquisition } from './acquisition.js';
import { tileName } from './acquisition.js';
import { parseTime } from './days.js';
import { platformName } from './sensors.js';

/** What a product's name says of its acquisition. A name never tells the cloud: `clear` is null. */
type Named = Omit<Acquisition, 'clear'> & { clear: null };

const mgrs = '\\d{1,2}[C-HJ-NP-X][A-HJ-NP-Z]{2}';

/** Sensing time of `2018131024817`: year, day of the year, hour, minute, second; null where the day does not exist. */
const julianTime = (digits: string): number | null => {
  const [year, day] = [Number(digits.slice(0, 4)), Number(digits.slice(4, 7))];
  const first = parseTime(`${digits.slice(0, 4)}-01-01`);
  const clock = parseTime(`1970-01-01T${digits.slice(7, 13).padEnd(6, '0')}`);
  const days = (Date.UTC(year + 1, 0, 1) - Date.UTC(year, 0, 1)) / 86_400_000;
  return first === null || clock === null || day < 1 || day > days
    ? null
    : first + (day - 1) * 86_400_000 + clock;
};

interface Form {
  what: string;
  pattern: RegExp;
  read: (match: RegExpExecArray) => { tile: string; platform: string; time: number | null };
}

/** The forms that are known, with an example each: the fault of a name that fits none lists them. */
const forms: readonly Form[] = [
  {
    // ESA, compact format since 2016-12; Planetary Computer leaves the baseline out
    what: 'S2A_MSIL2A_20240422T173911_N0510_R098_T13TDE_20240423T004950.SAFE',
    pattern: new RegExp(
      `^(S2[A-D])_MSIL[12][A-C]_(\\d{8}T\\d{6})_(?:N\\d{4}_)?R\\d{3}_T(${mgrs})(?:_|$|\\.)`,
      'i',
    ),
    read: (match) => ({ tile: match[3], platform: match[1].toLowerCase(), time: parseTime(match[2]) }),
  },
  {
    // Earth Search, collection 1
    what: 'S2A_T13TDE_20240422T174753_L2A',
    pattern: new RegExp(`^(S2[A-D])_T(${mgrs})_(\\d{8}T\\d{6})_L[12][A-C](?:$|[_.])`, 'i'),
    read: (match) => ({ tile: match[2], platform: match[1].toLowerCase(), time: parseTime(match[3]) }),
  },
  {
    // Earth Search, first version: only the day, and the number of the part of that day
    what: 'S2A_13TDE_20240422_0_L2A',
    pattern: new RegExp(`^(S2[A-D])_(${mgrs})_(\\d{8})_\\d+_L[12][A-C](?:$|[_.])`, 'i'),
    read: (match) => ({ tile: match[2], platform: match[1].toLowerCase(), time: parseTime(match[3]) }),
  },
  {
    // GF1-ARD (Zhong et al. 2021, Remote Sens. 13, 1709): the year and the day of the year
    what: 'GF1WFV1.16m.2018131024817.51TWL.0000011622.000000.h5',
    pattern: new RegExp(`^(GF1|GF6)WFV\\d?\\.\\d+m\\.(\\d{13})\\.(${mgrs})(?:\\.|$)`, 'i'),
    read: (match) => ({ tile: match[3], platform: match[1].toLowerCase(), time: julianTime(match[2]) }),
  },
  {
    // level 1A scenes: no tile, so the scene's centre names the place to a tenth of a degree
    what: 'GF1_WFV1_E114.9_N39.7_20180826_L1A0003413393',
    pattern: /^(GF1|GF6)_WFV\d?_([EW]\d+(?:\.\d+)?)_([NS]\d+(?:\.\d+)?)_(\d{8})_L\d[A-Z]\d+/i,
    read: (match) => ({
      tile: `${match[2]}_${match[3]}`.toUpperCase(),
      platform: match[1].toLowerCase(),
      time: parseTime(match[4]),
    }),
  },
  {
    what: 'LC08_L2SP_033032_20241127_02_T1',
    pattern: /^L[CEOT](0[4-9])_L\d[A-Z]{2}_(\d{3})(\d{3})_(\d{8})_/i,
    read: (match) => ({
      tile: `${match[2]}-${match[3]}`,
      platform: `landsat-${Number(match[1])}`,
      time: parseTime(match[4]),
    }),
  },
  {
    what: 'HLS.L30.T13TDE.2024205T173909.v2.0',
    pattern: new RegExp(`^HLS\\.([LS]30)\\.T(${mgrs})\\.(\\d{7}T\\d{6})\\.`, 'i'),
    read: (match) => ({
      tile: match[2],
      platform: `hls-${match[1].toLowerCase()}`,
      time: julianTime(match[3].replace(/T/i, '')),
    }),
  },
];

const lastPart = (path: string): string =>
  path
    .trim()
    .replace(/[\\/]+$/, '')
    .split(/[\\/]/)
    .pop() ?? '';

/** Beginnings of product names of sensors that are none of ours, with a date behind: `S1A_IW_GRDH_…`, `GF2_PMS1_…`. */
const foreignForm = /^([A-Z][A-Z0-9]{1,7}(?:_(?:PMS|PAN|MSS|CCD|SAR)\d?)?)[_.-].*(?:19|20)\d{5,}/;

/** The sensor that a product's name begins with, where it is none of ours; null for what is no product's name. */
export const foreignSensor = (path: string): string | null => {
  const sensor = foreignForm.exec(lastPart(path))?.[1] ?? null;
  return sensor === null || platformName(sensor) !== null ? null : sensor;
};

/** Examples of the names that {@link readProductName} knows. */
export const productNameForms: readonly string[] = forms.map(({ what }) => what);

/**
 * The acquisition that a product's name (or the last part of its path) tells. A fault's text where the form is known
 * but its date does not exist; null where the form is not known.
 */
export const readProductName = (path: string): Named | string | null => {
  const name = lastPart(path);
  for (const { pattern, read } of forms) {
    const match = pattern.exec(name);
    if (match === null) continue;
    const { tile, platform, time } = read(match);
    if (time === null) return `date: ${name}; no such day or time`;
    return { tile: tileName(tile), platform, time, clear: null };
  }
  return null;
};
