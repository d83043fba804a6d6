import type { PatchPixels } from '../dataset/patch.js';
import type { Figure, Trace } from './figure.js';
import { leastShare } from './lut-departure.js';
import { gridAxes, legendAbove, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { inReflectance, okabeIto, seriesColour, themed } from './theme.js';

/** Errors binned by target reflectance: equal bins over [0, bandMax] of each band. */
export interface ErrorBins {
  bins: number;
  bandMax: readonly number[];
  /** Pixels, [bands·bins]. */
  counts: Float64Array;
  /** Sum of errors (prediction − target), stored units, [bands·bins]. */
  sum: Float64Array;
  /** Sum of squared errors, stored units², [bands·bins]. */
  squared: Float64Array;
}

/** Empty bins. */
export const emptyErrorBins = (bandMax: readonly number[], bins = 64): ErrorBins => ({
  bins,
  bandMax,
  counts: new Float64Array(bandMax.length * bins),
  sum: new Float64Array(bandMax.length * bins),
  squared: new Float64Array(bandMax.length * bins),
});

/**
 * Adds a patch to the bins: its valid pixels whose target lies in [0, bandMax].
 *
 * @param prediction stored units, [bands, height, width]
 */
export const countErrors = (
  { bins, bandMax, counts, sum, squared }: ErrorBins,
  prediction: ArrayLike<number>,
  { target, mask, width, height }: PatchPixels,
): void => {
  const pixels = width * height;
  for (const [band, max] of bandMax.entries())
    for (let i = 0; i < pixels; i++) {
      const value = target[band * pixels + i];
      if (mask[i] === 0 || value < 0 || value > max) continue;
      const bin = band * bins + Math.min(bins - 1, Math.floor((value * bins) / max));
      counts[bin]++;
      const error = prediction[band * pixels + i] - value;
      sum[bin] += error;
      squared[bin] += error ** 2;
    }
};

/** The errors of one method. All methods of a figure must have been counted on the same pixels. */
export interface ErrorSeries {
  name: string;
  errors: ErrorBins;
  colour?: string;
}

/**
 * RMSE and bias as functions of target reflectance, above the distribution of the pixels, one column per band. Bins with less than
 * 0.1 % of the pixels are left out.
 */
export const errorByReflectance = (
  series: readonly ErrorSeries[],
  bands: readonly string[],
  { target = 'GF1', title = 'Error by reflectance' }: { target?: string; title?: string } = {},
): Figure => {
  const columns = bands.length;
  const grid: PanelGrid = { rows: 3, columns, gap: [0.06, 0.04], heights: [2, 1.4, 1] };
  const curve = ({ bins, bandMax, counts, sum, squared }: ErrorBins, band: number) => {
    const own = counts.subarray(band * bins, (band + 1) * bins);
    const total = own.reduce((all, count) => all + count, 0);
    const kept = [...own.keys()].filter((bin) => own[bin] > 0 && own[bin] >= leastShare * total);
    return {
      x: kept.map((bin) => Math.round(((bin + 0.5) * bandMax[band]) / bins)),
      rmse: kept.map((bin) => Math.round(10 * Math.sqrt(squared[band * bins + bin] / own[bin])) / 10),
      bias: kept.map((bin) => Math.round((10 * sum[band * bins + bin]) / own[bin]) / 10),
      share: kept.map((bin) => Math.round((1e4 * own[bin]) / total) / 100),
    };
  };
  return {
    data: bands.flatMap((_, band): Trace[] => [
      ...series.flatMap(({ name, errors, colour }, i): Trace[] => {
        const { x, rmse, bias } = curve(errors, band);
        const line = (row: number, y: number[], hovertemplate: string): Trace => ({
          type: 'scatter',
          mode: 'lines',
          name,
          legendgroup: name,
          showlegend: band === 0 && row === 0,
          x,
          y,
          line: { color: colour ?? seriesColour(i), width: 2 },
          hovertemplate,
          ...panelAxes(row * columns + band),
        });
        return [
          line(0, rmse, '%{x}: RMSE %{y:.1f}<extra>%{fullData.name}</extra>'),
          line(1, bias, '%{x}: bias %{y:+.1f}<extra>%{fullData.name}</extra>'),
        ];
      }),
      ...series.slice(0, 1).map(({ errors }): Trace => {
        const { x, share } = curve(errors, band);
        return {
          type: 'scatter',
          mode: 'lines',
          name: 'pixels',
          showlegend: false,
          x,
          y: share,
          fill: 'tozeroy',
          line: { color: okabeIto.black, width: 1, shape: 'hvh' },
          fillcolor: 'rgba(0,0,0,0.15)',
          hovertemplate: '%{x}: %{y:.1f} %<extra>pixels</extra>',
          ...panelAxes(2 * columns + band),
        };
      }),
    ]),
    layout: themed({
      title,
      width: 920,
      height: 640,
      ...gridAxes(grid, (row, column) => {
        const first = (text: string) => (column === 0 ? { title: { text } } : {});
        const labels = [inReflectance('RMSE'), 'bias', 'pixels [%]'];
        return {
          x: {
            nticks: 4,
            ...(row < 2
              ? { matches: panelAxes(2 * columns + column).xaxis, showticklabels: false }
              : { title: { text: `${target} [× 10⁴]` } }),
          },
          y: {
            ...(row === 1 ? { zeroline: true, zerolinecolor: '#999999' } : { rangemode: 'tozero' }),
            ...first(labels[row]),
          },
        };
      }),
      annotations: bands.map((band, panel) => panelHeading(panel, band)),
      ...legendAbove(640),
    }),
  };
};
