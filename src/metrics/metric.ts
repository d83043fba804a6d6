import type { ErrorSums } from './error-sums.js';

/** A number that says how far predictions lie from their targets. */
export interface Metric {
  /** The key in records and JSON, and what `--metric` takes. */
  name: string;
  /** Heading in tables, such as `RMSE`. */
  label: string;
  /** `data`: in the unit of the data (reflectance × 10 000 for bands, none for NDVI); null: without unit. @default null */
  unit?: 'data' | null;
  /** Decimals shown. */
  digits: number;
  /** Decimals shown in the columns of a comparison. @default digits */
  columnDigits?: number;
  /** Decimals shown for NDVI. @default 4 where the unit is that of the data, else digits */
  ndviDigits?: number;
  /** Which values are better; null: neither, or those near 0. */
  best: 'low' | 'high' | null;
  /** Whether comparisons have columns of it. @default true */
  columns?: boolean;
  /**
   * Its value on one tile or its mean over bands says little: tables have no mean and no interval of it, and the signed-rank
   * test ranks the tiles' RMSE in its stead. @default false
   */
  pooledOnly?: boolean;
  /** The value of some pixels' error sums: a number for every sums with n > 0. */
  of: (sums: ErrorSums) => number;
}

/** Decimals of a metric for a band, or for NDVI, in lines of its own and in the columns of a comparison. */
export const digitsOf = (
  { unit, digits, columnDigits = digits, ndviDigits = unit === 'data' ? 4 : digits }: Metric,
  channel: string,
  place: 'line' | 'column',
): number => (channel === 'NDVI' ? ndviDigits : place === 'line' ? digits : columnDigits);
