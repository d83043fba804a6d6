import type { Knots, Mapping } from '../models/mapping.js';
import type { Figure, Trace } from './figure.js';
import {
  type Curve,
  filledRange,
  histogramShares,
  leastShare,
  lutDeparture,
  mappingDeparture,
} from './lut-departure.js';
import { gridAxes, legendAbove, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { inReflectance, okabeIto, seriesColour, themed } from './theme.js';

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

/** A legend entry for the dotted lines. */
const oracleKey = (panel: number): Trace => ({
  type: 'scatter',
  mode: 'lines',
  name: 'the tile’s own best LUT (oracle)',
  x: [null],
  y: [null],
  line: { color: '#666666', width: 1.3, dash: 'dot' },
  ...panelAxes(panel),
});

const line = (
  panel: number,
  name: string,
  { x, y }: Curve,
  style: { color: string; width: number; dash?: string; shape?: string },
  more: Partial<Trace> = {},
): Trace => ({
  type: 'scatter',
  mode: 'lines',
  name,
  legendgroup: name,
  showlegend: false,
  x,
  y,
  line: style,
  ...panelAxes(panel),
  ...more,
});

const addedText = '%{x}: %{y:+.0f}<extra>%{fullData.name}</extra>';
const shareText = '%{x}: %{y:.1f} %<extra>%{fullData.name}</extra>';

/**
 * Predicted LUTs above the histograms they were predicted from, one column per band. Curves are LUT − identity: the model
 * (solid), the tile's own best LUT (dotted), one mapping for all tiles (dashed, black).
 * @throws Fault where the mapping for all tiles is a polynomial of all bands
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
  const ranges = bands.map((_, band) =>
    filledRange(
      tiles.map(({ histogram }) => histogram),
      band,
      bins,
      bandMax[band],
    ),
  );
  // the common curve is cut to the range of the tiles, or its ends would set the scale
  const drawn = bands.map((_, band): [number, number] => {
    const values = tiles.flatMap(({ lut, histogram }) => lutDeparture(lut, band, histogram, leastShare).x);
    return values.length > 0 ? [Math.min(...values), Math.max(...values)] : ranges[band];
  });
  const ofTile = ({ label, lut, oracle, histogram, colour }: LutTile, i: number, band: number): Trace[] => {
    const color = colour ?? seriesColour(i);
    const traces = [
      line(
        band,
        label,
        lutDeparture(lut, band, histogram, leastShare),
        { color, width: 2 },
        {
          showlegend: band === 0,
          hovertemplate: addedText,
        },
      ),
    ];
    if (oracle)
      traces.push(
        line(
          band,
          `${label}, oracle`,
          lutDeparture(oracle, band, histogram, leastShare),
          { color, width: 1.3, dash: 'dot' },
          { legendgroup: label, hovertemplate: addedText },
        ),
      );
    // several LUTs may share one histogram: draw it once
    if (tiles.findIndex((tile) => tile.histogram === histogram) === i)
      traces.push(
        line(
          columns + band,
          label,
          histogramShares(histogram, band, bins, bandMax[band]),
          { color, width: 1.2, shape: 'hvh' },
          { opacity: 0.7, hovertemplate: shareText, ...(tiles.length <= 3 ? { fill: 'tozeroy' } : {}) },
        ),
      );
    return traces;
  };
  const ofAll = (band: number): Trace[] =>
    common
      ? [
          line(
            band,
            common.name,
            mappingDeparture(common.mapping, band, drawn[band]),
            { color: okabeIto.black, width: 1.3, dash: 'dash' },
            { showlegend: band === 0, hovertemplate: addedText },
          ),
        ]
      : [];
  return {
    data: [
      ...bands.flatMap((_, band) => [...tiles.flatMap((tile, i) => ofTile(tile, i, band)), ...ofAll(band)]),
      ...(tiles.some(({ oracle }) => oracle) ? [oracleKey(0)] : []),
    ],
    layout: themed({
      title,
      width: 920,
      height: 560,
      ...gridAxes(grid, (row, column) => {
        const [low, high] = ranges[column];
        const beside = 0.03 * (high - low);
        const first = (text: string) => (column === 0 ? { title: { text } } : {});
        return {
          x: {
            range: [Math.round(low - beside), Math.round(high + beside)],
            nticks: 4,
            ...(row === 1 ? { title: { text: 'S2 [× 10⁴]' } } : { showticklabels: false }),
          },
          y:
            row === 0
              ? { zeroline: true, zerolinecolor: '#999999', ...first(inReflectance('LUT − S2')) }
              : { rangemode: 'tozero', ...first('pixels [%]') },
        };
      }),
      annotations: bands.map((band, panel) => panelHeading(panel, band)),
      ...legendAbove(560),
    }),
  };
};
