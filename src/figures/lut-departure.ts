import type { Knots, Mapping } from '../ops/mapping.js';

/** A curve of a panel: null breaks the line. */
export interface Curve {
  x: number[];
  y: (number | null)[];
}

const rounded = (value: number): number => Math.round(10 * value) / 10;

/**
 * What a LUT adds to a value, at each knot: LUT − identity, stored units. A knot whose bin of the histogram is empty is
 * a gap: nothing was asked of it. Bins and knots are as many.
 *
 * @param counts source histogram of the tile, [bands·knots]; null draws every knot
 */
export const lutDeparture = (lut: Knots, band: number, counts: ArrayLike<number> | null): Curve => {
  const spacing = (lut.bandMax[band] - 1) / (lut.knots - 1);
  const knots = Array.from({ length: lut.knots }, (_, k) => k);
  return {
    x: knots.map((k) => Math.round(k * spacing)),
    y: knots.map((k) =>
      counts && counts[band * lut.knots + k] === 0
        ? null
        : rounded(lut.values[band * lut.knots + k] - k * spacing),
    ),
  };
};

/** What a mapping adds to the values of a range: a LUT at its knots, a line at the two ends. */
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
  const ends = [low, high];
  return {
    x: ends,
    y: ends.map((value) => rounded((mapping.slope[band] - 1) * value + mapping.intercept[band])),
  };
};
