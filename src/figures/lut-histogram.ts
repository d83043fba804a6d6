import type { Knots, Mapping } from '../ops/mapping.js';
import type { Figure, Trace } from './figure.js';
import { lutDeparture, mappingDeparture } from './lut-departure.js';
import { gridAxes, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { okabeIto, seriesColour, themed } from './theme.js';

/** A tile: the histogram a model saw, and the LUT it answered with. */
export interface LutTile {
  label: string;
  /** Source counts, [bands·bins]. */
  histogram: ArrayLike<number>;
  lut: Knots;
  /** The best LUT of this tile, fitted on its own target: drawn dotted. */
  oracle?: Knots;
  colour?: string;
}

/** Share (%) of pixels in groups of `group` bins, so that a thin histogram can be read. */
const shares = (histogram: ArrayLike<number>, band: number, bins: number, max: number, group: number) => {
  const at = (bin: number): number => histogram[band * bins + bin];
  let total = 0;
  for (let bin = 0; bin < bins; bin++) total += at(bin);
  const groups = Math.ceil(bins / group);
  const x = Array.from({ length: groups }, (_, i) => Math.round(((i + 0.5) * group * max) / bins));
  const y = Array.from({ length: groups }, (_, i) => {
    let sum = 0;
    for (let bin = i * group; bin < Math.min(bins, (i + 1) * group); bin++) sum += at(bin);
    return total > 0 ? Math.round((1e4 * sum) / total) / 100 : 0;
  });
  const kept = x.flatMap((_, i) => (y[i] > 0 || y[i - 1] > 0 || y[i + 1] > 0 ? [i] : []));
  return { x: kept.map((i) => x[i]), y: kept.map((i) => y[i]) };
};

/** Values between which the tiles have pixels in a band, stored units. */
const filledRange = (
  tiles: readonly LutTile[],
  band: number,
  bins: number,
  max: number,
): [number, number] => {
  let [first, last] = [bins, 0];
  for (const { histogram } of tiles)
    for (let bin = 0; bin < bins; bin++)
      if (histogram[band * bins + bin] > 0) {
        first = Math.min(first, bin);
        last = Math.max(last, bin);
      }
  return first > last ? [0, max] : [(first * max) / bins, ((last + 1) * max) / bins];
};

/**
 * Predicted LUTs above the histograms that produced them, a column for each band: what the model adds to a value
 * (solid), what the tile's own best LUT would add (dotted), what a mapping for all tiles adds (dashed, black).
 */
export const lutsWithHistograms = (
  tiles: readonly LutTile[],
  common: { name: string; mapping: Mapping } | null,
  bands: readonly string[],
  title = 'LUTs and the histograms that produced them',
): Figure => {
  const columns = bands.length;
  const grid: PanelGrid = { rows: 2, columns, gap: [0.06, 0.05], heights: [1.6, 1] };
  const { knots: bins, bandMax } = tiles[0].lut;
  const ranges = bands.map((_, band) => filledRange(tiles, band, bins, bandMax[band]));
  const lines = (line: object, curve: object, panel: number, more: object): Trace => ({
    type: 'scatter',
    mode: 'lines',
    line: { ...line },
    ...curve,
    ...panelAxes(panel),
    ...more,
  });
  const data = bands.flatMap((_, band) => [
    ...tiles.flatMap(({ label, lut, oracle, histogram, colour }, i) => {
      const color = colour ?? seriesColour(i);
      return [
        lines({ color, width: 2 }, lutDeparture(lut, band, histogram), band, {
          name: label,
          legendgroup: label,
          showlegend: band === 0,
          hovertemplate: '%{x}: %{y:+.0f}<extra>%{fullData.name}</extra>',
        }),
        ...(oracle
          ? [
              lines({ color, width: 1.2, dash: 'dot' }, lutDeparture(oracle, band, histogram), band, {
                name: `${label}, oracle`,
                legendgroup: label,
                showlegend: false,
                opacity: 0.8,
                hovertemplate: '%{x}: %{y:+.0f}<extra>%{fullData.name}</extra>',
              }),
            ]
          : []),
        lines(
          { color, width: 1.2, shape: 'hvh' },
          shares(histogram, band, bins, bandMax[band], 2),
          columns + band,
          {
            name: label,
            legendgroup: label,
            showlegend: false,
            fill: 'tozeroy',
            opacity: 0.7,
            hovertemplate: '%{x}: %{y:.1f} %<extra>%{fullData.name}</extra>',
          },
        ),
      ];
    }),
    ...(common
      ? [
          lines(
            { color: okabeIto.black, width: 1.3, dash: 'dash' },
            mappingDeparture(common.mapping, band, ranges[band]),
            band,
            { name: common.name, legendgroup: common.name, showlegend: band === 0, hoverinfo: 'skip' },
          ),
        ]
      : []),
  ]);
  return {
    data,
    layout: themed({
      title,
      width: 920,
      height: 540,
      ...gridAxes(grid, (row, column) => {
        const [low, high] = ranges[column];
        const beside = 0.03 * (high - low);
        return {
          x: {
            range: [Math.round(low - beside), Math.round(high + beside)],
            nticks: 4,
            ...(row === 1 ? { title: { text: 'S2 reflectance × 10⁴' } } : { showticklabels: false }),
          },
          y:
            row === 0
              ? {
                  zeroline: true,
                  zerolinecolor: '#999999',
                  ...(column === 0 ? { title: { text: 'LUT − S2, × 10⁴' } } : {}),
                }
              : { rangemode: 'tozero', ...(column === 0 ? { title: { text: 'pixels [%]' } } : {}) },
        };
      }),
      annotations: bands.map((band, panel) => panelHeading(grid, panel, band)),
      legend: { orientation: 'h', x: 1, xanchor: 'right', y: 1.06, yanchor: 'bottom' },
      margin: { t: 90 },
    }),
  };
};
