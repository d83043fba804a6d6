import { lutOfBands } from './mapping.js';
import { makeModel } from './model.js';
import { paperSettings } from './paper-settings.js';

const cumulative = (histogram: ArrayLike<number>): Float64Array => {
  const sums = new Float64Array(histogram.length + 1);
  for (let bin = 0; bin < histogram.length; bin++) sums[bin + 1] = sums[bin] + histogram[bin];
  const total = sums[histogram.length];
  return total > 0 ? sums.map((sum) => sum / total) : sums;
};

/**
 * Histogram matching of one band: each knot's value v goes to the target value with the same cumulative share,
 * CDF_target⁻¹(CDF_source(v)). Both histograms have equal bins over [0, bandMax] and are taken as uniform within a
 * bin, so both CDFs are piecewise linear. Where the source has no pixels below (above) v the mapping continues from the
 * first (last) occupied value with slope 1. A band without pixels is the identity.
 *
 * @returns `knots` values in stored units, never decreasing
 */
export const matchHistograms = (
  source: ArrayLike<number>,
  target: ArrayLike<number>,
  bandMax: number,
  knots: number,
): Float64Array => {
  const bins = source.length;
  const width = bandMax / bins;
  const knotValue = (k: number): number => (k * (bandMax - 1)) / (knots - 1);
  const [from, to] = [cumulative(source), cumulative(target)];
  if (from[bins] === 0 || to[bins] === 0) return Float64Array.from({ length: knots }, (_, k) => knotValue(k));

  const shareAt = (value: number): number => {
    const bin = Math.min(bins - 1, Math.floor(value / width));
    return from[bin] + (value / width - bin) * (from[bin + 1] - from[bin]);
  };
  const valueAt = (share: number): number => {
    // first bin whose upper cumulative share reaches `share`
    let [low, high] = [0, bins - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (to[middle + 1] >= share) high = middle;
      else low = middle + 1;
    }
    const step = to[low + 1] - to[low];
    return (low + (step > 0 ? (share - to[low]) / step : 0)) * width;
  };

  let [first, last] = [0, bins];
  while (from[first + 1] === 0) first++;
  while (from[last - 1] === 1) last--;
  let targetFirst = 0;
  while (to[targetFirst + 1] === 0) targetFirst++;
  const [lowest, highest] = [first * width, last * width];
  return Float64Array.from({ length: knots }, (_, k) => {
    const value = knotValue(k);
    if (value <= lowest) return value - lowest + targetFirst * width;
    if (value >= highest) return value - highest + valueAt(1);
    return valueAt(shareAt(value));
  });
};

/** A global LUT for each band that gives the source the target's histogram; looks at no pair of pixels. */
export const histogramMatching = makeModel({
  kind: 'histogram-matching',
  settings: paperSettings,
  fit: ({ settings: { knots }, data, sums }) =>
    lutOfBands(
      data.bandMax.map((max, band) =>
        matchHistograms(sums.sourceHistogram[band], sums.targetHistogram[band], max, knots),
      ),
      data.bandMax,
    ),
});
