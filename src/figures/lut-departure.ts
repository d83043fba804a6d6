import { Fault } from '../fault.js';
import type { Knots, Mapping } from '../models/mapping.js';

/** A curve of a panel: null breaks the line. */
export interface Curve {
  x: number[];
  y: (number | null)[];
}

/** Curves leave out bins with a smaller share of the pixels: too little evidence. */
export const leastShare = 0.001;

const rounded = (value: number): number => Math.round(10 * value) / 10;

/**
 * LUT − identity at each knot, stored units, from the first to the last knot that the tile uses. Knots whose bin holds less
 * than the share `least` of the tile's pixels are gaps (null). The histogram has one bin per knot.
 *
 * @param counts source histogram of the tile, [bands·knots]; null draws every knot
 */
export const lutDeparture = (
  lut: Knots,
  band: number,
  counts: ArrayLike<number> | null,
  least = 0,
): Curve => {
  const { knots, bandMax, values } = lut;
  const spacing = (bandMax[band] - 1) / (knots - 1);
  let total = 0;
  for (let k = 0; counts && k < knots; k++) total += counts[band * knots + k];
  const asked = (k: number): boolean =>
    counts === null || (counts[band * knots + k] > 0 && counts[band * knots + k] >= least * total);
  const used = Array.from({ length: knots }, (_, k) => k).filter(asked);
  const shown = Array.from(
    { length: used.length > 0 ? used[used.length - 1] - used[0] + 1 : 0 },
    (_, i) => used[0] + i,
  );
  return {
    x: shown.map((k) => Math.round(k * spacing)),
    y: shown.map((k) => (asked(k) ? rounded(values[band * knots + k] - k * spacing) : null)),
  };
};

/**
 * Mapping − identity over a range of values: a LUT at its knots, a line at both ends.
 * @throws Fault for a polynomial of all bands: it has no curve of one band
 */
export const mappingDeparture = (
  mapping: Mapping,
  band: number,
  [low, high]: readonly [number, number],
): Curve => {
  if (mapping.form === 'lut') {
    const { x, y } = lutDeparture(mapping, band, null);
    const kept = x.flatMap((value, k) => (value >= low && value <= high ? [k] : []));
    return { x: kept.map((k) => x[k]), y: kept.map((k) => y[k]) };
  }
  if (mapping.form === 'polynomial')
    throw new Fault('mapping: polynomial of all bands; it has no curve of one band to draw');
  const ends = [low, high];
  return {
    x: ends,
    y: ends.map((value) => rounded((mapping.slope[band] - 1) * value + mapping.intercept[band])),
  };
};

/** Share (%) of pixels in pairs of bins, so that a thin histogram can be read; empty pairs inside a run of them left out. */
export const histogramShares = (histogram: ArrayLike<number>, band: number, bins: number, max: number) => {
  const at = (bin: number): number => (bin < bins ? histogram[band * bins + bin] : 0);
  let total = 0;
  for (let bin = 0; bin < bins; bin++) total += at(bin);
  const pairs = Array.from({ length: Math.ceil(bins / 2) }, (_, i) => at(2 * i) + at(2 * i + 1));
  const kept = pairs.flatMap((count, i) => (count > 0 || pairs[i - 1] > 0 || pairs[i + 1] > 0 ? [i] : []));
  return {
    x: kept.map((i) => Math.round(((2 * i + 1) * max) / bins)),
    y: kept.map((i) => Math.round((1e4 * pairs[i]) / total) / 100),
  };
};

/** Values between which histograms, [bands·bins], hold pixels of a band, stored units. */
export const filledRange = (
  histograms: readonly ArrayLike<number>[],
  band: number,
  bins: number,
  max: number,
): [number, number] => {
  let [first, last] = [bins, 0];
  for (const histogram of histograms)
    for (let bin = 0; bin < bins; bin++)
      if (histogram[band * bins + bin] > 0) {
        first = Math.min(first, bin);
        last = Math.max(last, bin);
      }
  return first > last ? [0, max] : [(first * max) / bins, ((last + 1) * max) / bins];
};
