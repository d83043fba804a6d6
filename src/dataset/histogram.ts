import { valueZero } from './count-values.js';

/**
 * Bin of each integer 0…bandMax among `bins` equal bins over [0, bandMax], the last closed on the right: where
 * `numpy.histogram(values, bins, (0, bandMax))` counts it, edge for edge (numpy's edges are `i * (bandMax / bins)` in
 * float64, and a value belongs to the bin whose edges enclose it).
 */
export const binOfValue = (bandMax: number, bins: number): Uint16Array => {
  const step = bandMax / bins;
  const table = new Uint16Array(bandMax + 1);
  let bin = 0;
  for (let value = 0; value <= bandMax; value++) {
    while (bin < bins - 1 && value >= (bin + 1) * step) bin++;
    table[value] = bin;
  }
  return table;
};

const tables = new Map<string, Uint16Array>();

const cachedBins = (bandMax: number, bins: number): Uint16Array => {
  const key = `${bandMax}/${bins}`;
  const table = tables.get(key) ?? binOfValue(bandMax, bins);
  tables.set(key, table);
  return table;
};

/**
 * Adds per-value counts ({@link valueZero} in the middle) to a histogram over [0, bandMax]; values outside are left
 * out.
 */
export const addHistogram = (counts: Uint32Array, bandMax: number, out: Uint32Array): void => {
  const bin = cachedBins(bandMax, out.length);
  for (let value = 0; value <= bandMax; value++) out[bin[value]] += counts[value + valueZero];
};

/** Histogram of the values of one band where `mask` is not 0: counts, [bins]. */
export const histogram = (
  values: Int16Array,
  mask: Uint8Array,
  bandMax: number,
  bins: number,
): Uint32Array => {
  const bin = cachedBins(bandMax, bins);
  const out = new Uint32Array(bins);
  for (let i = 0; i < values.length; i++)
    if (mask[i] !== 0 && values[i] >= 0 && values[i] <= bandMax) out[bin[values[i]]]++;
  return out;
};

/** Shares of each band's sum, [bands·bins]; a band without counts stays zero. */
export const l1 = (counts: ArrayLike<number>, bands: number): Float64Array => {
  const bins = counts.length / bands;
  const shares = new Float64Array(counts.length);
  for (let band = 0; band < bands; band++) {
    let total = 0;
    for (let bin = band * bins; bin < (band + 1) * bins; bin++) total += counts[bin];
    if (total > 0)
      for (let bin = band * bins; bin < (band + 1) * bins; bin++) shares[bin] = counts[bin] / total;
  }
  return shares;
};
