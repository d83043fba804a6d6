import type { Knots } from './mapping.js';

/** Between which knots an integer value lies: `LUT(v) = (1 − weight[v])·L[knot[v]] + weight[v]·L[knot[v] + 1]`. */
export interface KnotPositions {
  /** Lower knot of v = 0 … bandMax − 1, at most knots − 2. */
  knot: Int32Array;
  /** In [0, 1], exact to float32. */
  weight: Float32Array;
}

const positions = new Map<string, KnotPositions>();

/** Knot k stands at k·(bandMax − 1)/(knots − 1), so that the end knots are the ends (bandMax ≥ 2, knots ≥ 2). */
export const knotPositions = (knots: number, bandMax: number): KnotPositions => {
  const key = `${knots}/${bandMax}`;
  let known = positions.get(key);
  if (!known) {
    known = { knot: new Int32Array(bandMax), weight: new Float32Array(bandMax) };
    for (let v = 0; v < bandMax; v++) {
      const knot = Math.min(Math.floor((v * (knots - 1)) / (bandMax - 1)), knots - 2);
      known.knot[v] = knot;
      known.weight[v] = (v * (knots - 1) - knot * (bandMax - 1)) / (bandMax - 1);
    }
    positions.set(key, known);
  }
  return known;
};

/** Writes the LUT of one band, `values[from … from + knots − 1]`, at every integer value: [bandMax], float32. */
export const expandBand = (
  values: Float32Array,
  from: number,
  knots: number,
  bandMax: number,
  out: Float32Array,
): void => {
  const { knot, weight } = knotPositions(knots, bandMax);
  const round = Math.fround;
  for (let v = 0; v < bandMax; v++) {
    const w = weight[v];
    const at = from + knot[v];
    out[v] = round(round(round(1 - w) * values[at]) + round(w * values[at + 1]));
  }
};

/** The LUT of each band at every integer value 0 … bandMax − 1, so that applying it is an indexed read. */
export const expandKnots = ({ knots, bandMax, values }: Knots): Float32Array[] =>
  bandMax.map((size, band) => {
    const table = new Float32Array(size);
    expandBand(values, band * knots, knots, size, table);
    return table;
  });

type Pixels = Int16Array | Uint16Array | Float32Array;

const readTable = (
  table: Float32Array,
  source: Pixels,
  from: number,
  to: number,
  out: Float32Array,
): void => {
  const last = table.length - 1;
  if (source instanceof Float32Array) {
    for (let i = from; i < to; i++) {
      const v = source[i];
      // NaN fails every comparison; it is no value, so it stays what it is.
      out[i] = v >= last ? table[last] : v > 0 ? table[v | 0] : v <= 0 ? table[0] : v;
    }
    return;
  }
  for (let i = from; i < to; i++) {
    const v = source[i];
    out[i] = table[v > last ? last : v < 0 ? 0 : v];
  }
};

/**
 * LUTs, expanded by {@link expandKnots}, applied to pixels: values are clipped to [0, bandMax − 1], truncated and read.
 * NaN stays NaN.
 *
 * @param source stored units, band by band: [bands · pixelsPerBand]
 * @param out the same layout
 */
export const applyTables = (
  tables: readonly Float32Array[],
  source: Pixels,
  pixelsPerBand: number,
  out: Float32Array,
): void => {
  for (let band = 0; band < tables.length; band++)
    readTable(tables[band], source, band * pixelsPerBand, (band + 1) * pixelsPerBand, out);
};
