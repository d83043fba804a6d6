import type { Figure, Trace } from './figure.js';
import { gridAxes, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { okabeIto, seriesColour, themed } from './theme.js';

/** Errors of one method: RMSE of each tile in each band. */
export interface TileErrorSeries {
  name: string;
  /** Stored units, [band][tile]. */
  rmse: readonly (readonly number[])[];
  colour?: string;
}

const rounded = (value: number): number => Math.round(10 * value) / 10;

/**
 * Each tile's RMSE under some methods against its RMSE under a bound, a panel for each band: points on the dotted line
 * have reached the bound.
 *
 * @param bound such as the oracle: names the horizontal axis
 */
export const tileErrors = (
  tiles: readonly string[],
  bound: TileErrorSeries,
  series: readonly TileErrorSeries[],
  bands: readonly string[],
  title = 'Error of each tile',
): Figure => {
  const grid: PanelGrid = {
    rows: Math.ceil(bands.length / 2),
    columns: Math.min(2, bands.length),
    gap: [0.09, 0.13],
  };
  const highest = bands.map((_, band) =>
    Math.max(1, ...[bound, ...series].flatMap(({ rmse }) => rmse[band].filter(Number.isFinite))),
  );
  return {
    data: bands.flatMap((_, band) =>
      series.map(
        ({ name, rmse, colour }, index): Trace => ({
          type: 'scatter',
          mode: 'markers',
          name,
          legendgroup: name,
          showlegend: band === 0,
          x: bound.rmse[band].map(rounded),
          y: rmse[band].map(rounded),
          text: [...tiles],
          ...panelAxes(band),
          marker: {
            size: 5,
            color: colour ?? seriesColour(index),
            opacity: 0.6,
            symbol: index % 2 === 0 ? 'circle' : 'diamond',
          },
          hovertemplate: `%{text}: %{y} (${bound.name} %{x})<extra>%{fullData.name}</extra>`,
        }),
      ),
    ),
    layout: themed({
      title,
      width: 860,
      height: 330 * grid.rows + 70,
      ...gridAxes(grid, (row, column, band) => ({
        x: {
          range: [0, 1.05 * Math.max(1, ...(bound.rmse[band]?.filter(Number.isFinite) ?? []))],
          ...(row === grid.rows - 1 ? { title: { text: `RMSE of ${bound.name}, reflectance × 10⁴` } } : {}),
        },
        y: {
          range: [0, 1.05 * (highest[band] ?? 1)],
          ...(column === 0 ? { title: { text: 'RMSE, reflectance × 10⁴' } } : {}),
        },
      })),
      shapes: bands.map((_, band) => ({
        type: 'line',
        xref: panelAxes(band).xaxis,
        yref: panelAxes(band).yaxis,
        x0: 0,
        y0: 0,
        x1: highest[band],
        y1: highest[band],
        line: { color: okabeIto.black, width: 1, dash: 'dot' },
      })),
      annotations: bands.map((band, panel) => panelHeading(grid, panel, band)),
      legend: { orientation: 'h', x: 1, xanchor: 'right', y: 1.06, yanchor: 'bottom' },
      margin: { t: 84 },
    }),
  };
};
