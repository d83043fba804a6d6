import type { Figure, Trace } from './figure.js';
import { gridAxes, isLowest, legendAbove, panelAxes, panelHeading, twoColumns } from './panels.js';
import { seriesColour, themed } from './theme.js';

/** Counts of one image in equal bins over [0, bandMax]. */
export interface HistogramSeries {
  name: string;
  /** [bands·bins]. */
  counts: ArrayLike<number>;
  colour?: string;
  dash?: 'solid' | 'dash' | 'dot';
}

/** Bin centres and the share of pixels in each bin (%) of one band, from bin `first` to `last`. */
const steps = (
  counts: ArrayLike<number>,
  band: number,
  bins: number,
  [first, last]: readonly [number, number],
  max: number,
) => {
  let total = 0;
  for (let bin = 0; bin < bins; bin++) total += counts[band * bins + bin];
  const shown = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  return {
    x: shown.map((bin) => Math.round(10 * ((bin + 0.5) * (max / bins))) / 10),
    y: shown.map((bin) => (total > 0 ? Math.round((1e4 * counts[band * bins + bin]) / total) / 100 : 0)),
  };
};

/** The bins that hold a pixel in any series, and a few more on both sides. */
const filledBins = (series: readonly HistogramSeries[], band: number, bins: number): [number, number] => {
  let [first, last] = [bins - 1, 0];
  for (const { counts } of series)
    for (let bin = 0; bin < bins; bin++)
      if (counts[band * bins + bin] > 0) {
        first = Math.min(first, bin);
        last = Math.max(last, bin);
      }
  return first > last ? [0, bins - 1] : [Math.max(0, first - 3), Math.min(bins - 1, last + 3)];
};

/** Histograms of some images, a panel for each band: the share of valid pixels in each bin. */
export const histogramPanel = (
  series: readonly HistogramSeries[],
  bands: readonly string[],
  bandMax: readonly number[],
  title = 'Histograms',
): Figure => {
  const bins = (series[0]?.counts.length ?? 0) / bands.length;
  const grid = twoColumns(bands.length);
  const height = 250 * grid.rows + 70;
  return {
    data: bands.flatMap((_, band) => {
      const shown = filledBins(series, band, bins);
      return series.map(
        ({ name, counts, colour, dash }, index): Trace => ({
          type: 'scatter',
          mode: 'lines',
          name,
          legendgroup: name,
          showlegend: band === 0,
          ...steps(counts, band, bins, shown, bandMax[band]),
          ...panelAxes(band),
          line: { shape: 'hvh', width: 1.5, color: colour ?? seriesColour(index), dash: dash ?? 'solid' },
          hovertemplate: '%{x:.0f}: %{y:.2f} %<extra>%{fullData.name}</extra>',
        }),
      );
    }),
    layout: themed({
      title,
      width: 860,
      height,
      ...gridAxes(grid, (_, column, panel) => ({
        x: isLowest(grid, panel) ? { title: { text: 'reflectance × 10⁴' } } : {},
        y: { rangemode: 'tozero', ...(column === 0 ? { title: { text: 'pixels [%]' } } : {}) },
      })),
      annotations: bands.map((band, panel) => panelHeading(panel, band)),
      ...legendAbove(height),
    }),
  };
};
