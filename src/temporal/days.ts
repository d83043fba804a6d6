import { remembered } from './remembered.js';

/** Days are whole UTC days counted from 1970-01-01, so that gaps are differences and leap days need no care. */
export const msPerDay = 86_400_000;

const dayForm = /^(\d{4})[-/]?(\d{2})[-/]?(\d{2})$/;
const clockForm =
  /^(\d{2}):?(\d{2})(?::?(\d{2})(?:[.,](\d{1,9}))?)?\s*(Z|[+-](?:0\d|1[0-4])(?::?[0-5]\d)?)?$/i;

const offsetMinutes = (zone: string | undefined): number => {
  if (zone === undefined || zone.toUpperCase() === 'Z') return 0;
  const digits = zone.slice(1).replace(':', '').padEnd(4, '0');
  return (zone[0] === '-' ? -1 : 1) * (Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2)));
};

const daysIn = (year: number, month: number): number => {
  if (month !== 2) return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
};

/** The midnight of a date, ms UTC; NaN where there is no such day. */
const midnightOf = remembered((text) => {
  const match = dayForm.exec(text);
  if (match === null) return Number.NaN;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  if (month < 1 || month > 12 || day < 1 || day > daysIn(year, month)) return Number.NaN;
  return Date.UTC(year, month - 1, day);
});

/** A time of day with its zone as ms after the UTC midnight of its date; NaN where it is none. */
const clockOf = (text: string): number => {
  const match = clockForm.exec(text);
  if (match === null) return Number.NaN;
  const [hour, minute, second] = [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
  if (hour > 23 || minute > 59 || second > 60) return Number.NaN;
  const fraction = match[4] === undefined ? 0 : Math.floor(Number(`0.${match[4]}`) * 1000);
  return ((hour * 60 + minute - offsetMinutes(match[5])) * 60 + second) * 1000 + fraction;
};

/**
 * An ISO 8601 date or date-time (extended, basic, or with slashes as EarthExplorer writes it) as milliseconds UTC, or
 * null where it is none.
 * Without a zone it is UTC, as catalogs of acquisitions mean it; a date alone is its midnight.
 * Days that do not exist (2023-02-29) and hours beyond 23 are refused, where `Date.parse` would roll them over.
 */
export const parseTime = (text: string): number | null => {
  const trimmed = text.trim();
  const at = trimmed.search(/[T ]/i);
  const time =
    at < 0 ? midnightOf(trimmed) : midnightOf(trimmed.slice(0, at)) + clockOf(trimmed.slice(at + 1));
  return Number.isNaN(time) ? null : time;
};

/** The UTC day that a time falls on. */
export const dayOf = (ms: number): number => Math.floor(ms / msPerDay);

/** A day as `YYYY-MM-DD`. */
export const dayText = (day: number): string => new Date(day * msPerDay).toISOString().slice(0, 10);

/** First and last day, both counted. */
export interface Period {
  from: number;
  to: number;
}

/** Every month that a period touches, in order: `YYYY-MM` and its first day. */
export const monthsOf = ({ from, to }: Period): { month: string; first: number }[] => {
  const months: { month: string; first: number }[] = [];
  const start = new Date(from * msPerDay);
  for (let index = 0; ; index++) {
    const first = Math.floor(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + index, 1) / msPerDay);
    if (first > to) return months;
    months.push({ month: dayText(first).slice(0, 7), first });
  }
};
