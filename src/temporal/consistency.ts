import { Fault } from '../fault.js';
import { applyMapping, bandsOf, type Mapping } from '../models/mapping.js';
import { gapStatistics } from './gaps.js';

/** One place's clear observations by one sensor, in order of days (as {@link dayOf} counts them), one a day. */
export interface PlaceSeries {
  days: ArrayLike<number>;
  /** `values[band][observation]`, stored units (reflectance × 10 000). */
  values: readonly ArrayLike<number>[];
}

/** How far two sensors lie apart: differences source − target of observations close in time. */
export interface Discontinuity {
  pairs: number;
  rmse: number;
  bias: number;
}

/** How one quantity behaves in the series of both sensors together. */
export interface QuantityConsistency {
  discontinuity: Discontinuity;
  /**
   * Noise of the joint series (Vermote et al. 2009): the root mean square of how far each observation lies from the
   * straight line between its neighbours in time. NaN without three observations.
   */
  roughness: number;
}

/** What alignment changes, and what density it does not: `ndvi` and each band, before and after. */
export interface SeriesConsistency {
  /** Observations and mean gap (days; null under two) of the target alone and of both together. */
  density: { target: { n: number; meanGap: number | null }; both: { n: number; meanGap: number | null } };
  before: { ndvi: QuantityConsistency; bands: QuantityConsistency[] };
  after: { ndvi: QuantityConsistency; bands: QuantityConsistency[] };
  /** The aligned source series. */
  aligned: PlaceSeries;
}

export interface ConsistencyOptions {
  /** Observations of the two sensors at most this far apart are compared, days. @default 2 */
  withinDays?: number;
  /** Neighbours further apart than this do not judge an observation, days. @default 30 */
  neighbourDays?: number;
  /** Which bands are red and near infrared, from 0. @default [2, 3] */
  redNir?: readonly [number, number];
}

/** NDVI of a series; NaN where red and near infrared add up to 0. */
export const ndviSeries = (
  { values }: PlaceSeries,
  [red, nir]: readonly [number, number] = [2, 3],
): Float64Array =>
  Float64Array.from(values[nir], (near, index) => (near - values[red][index]) / (near + values[red][index]));

/** A series as a mapping (the conv module aside) would have it. */
export const alignSeries = (series: PlaceSeries, mapping: Mapping): PlaceSeries => {
  const n = series.days.length;
  const bands = bandsOf(mapping);
  if (bands !== series.values.length)
    throw new Fault(`mapping: ${bands} bands; the series has ${series.values.length}`);
  const source = new Float32Array(bands * n);
  for (const [index, band] of series.values.entries()) source.set(Array.from(band), index * n);
  const out = new Float32Array(source.length);
  applyMapping(mapping, source, n, out);
  return { days: series.days, values: series.values.map((_, band) => out.slice(band * n, (band + 1) * n)) };
};

/**
 * Differences between sensors: each source observation with the target observation nearest in time (the earlier of
 * two), where it is at most `withinDays` away. Pairs with a value that is not a number are left out.
 */
export const discontinuityOf = (
  sourceDays: ArrayLike<number>,
  source: ArrayLike<number>,
  targetDays: ArrayLike<number>,
  target: ArrayLike<number>,
  withinDays: number,
): Discontinuity => {
  let [pairs, sum, squares] = [0, 0, 0];
  for (let i = 0; i < sourceDays.length; i++) {
    let best = -1;
    for (let j = 0; j < targetDays.length; j++) {
      const away = Math.abs(targetDays[j] - sourceDays[i]);
      if (away <= withinDays && (best < 0 || away < Math.abs(targetDays[best] - sourceDays[i]))) best = j;
    }
    const difference = best < 0 ? Number.NaN : source[i] - target[best];
    if (Number.isNaN(difference)) continue;
    pairs += 1;
    sum += difference;
    squares += difference * difference;
  }
  return { pairs, rmse: Math.sqrt(squares / pairs), bias: sum / pairs };
};

/** See {@link QuantityConsistency.roughness}. Observations of one day are neighbours too: their mean is the line. */
export const roughnessOf = (
  days: ArrayLike<number>,
  values: ArrayLike<number>,
  neighbourDays: number,
): number => {
  const order = Array.from(days, (_, index) => index)
    .filter((index) => !Number.isNaN(values[index]))
    .sort((a, b) => days[a] - days[b] || a - b);
  let [count, squares] = [0, 0];
  for (let at = 1; at + 1 < order.length; at++) {
    const [before, here, after] = [order[at - 1], order[at], order[at + 1]];
    const span = days[after] - days[before];
    if (span > neighbourDays) continue;
    const along = span === 0 ? 0.5 : (days[here] - days[before]) / span;
    const line = values[before] + along * (values[after] - values[before]);
    count += 1;
    squares += (values[here] - line) ** 2;
  }
  return count === 0 ? Number.NaN : Math.sqrt(squares / count);
};

const density = (days: readonly number[]): { n: number; meanGap: number | null } => {
  const distinct = [...new Set(days)].sort((a, b) => a - b);
  return { n: distinct.length, meanGap: gapStatistics(distinct).mean };
};

/**
 * What alignment buys at one place: how dense the series of both sensors together is, and how far the sensors lie
 * apart in it before and after `mapping` is applied to the source.
 * @throws Fault where series and mapping disagree in bands
 */
export const seriesConsistency = (
  source: PlaceSeries,
  target: PlaceSeries,
  mapping: Mapping,
  { withinDays = 2, neighbourDays = 30, redNir = [2, 3] }: ConsistencyOptions = {},
): SeriesConsistency => {
  if (source.values.length !== target.values.length)
    throw new Fault(
      `series: ${source.values.length} and ${target.values.length} bands; give the same bands of both`,
    );
  const aligned = alignSeries(source, mapping);
  const days = [...Array.from(source.days), ...Array.from(target.days)];
  const quantity = (first: ArrayLike<number>, second: ArrayLike<number>): QuantityConsistency => ({
    discontinuity: discontinuityOf(source.days, first, target.days, second, withinDays),
    roughness: roughnessOf(days, [...Array.from(first), ...Array.from(second)], neighbourDays),
  });
  const state = (series: PlaceSeries): SeriesConsistency['before'] => ({
    ndvi: quantity(ndviSeries(series, redNir), ndviSeries(target, redNir)),
    bands: series.values.map((band, index) => quantity(band, target.values[index])),
  });
  return {
    density: { target: density(Array.from(target.days)), both: density(days) },
    before: state(source),
    after: state(aligned),
    aligned,
  };
};
