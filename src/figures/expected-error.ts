import type { StatedTile } from '../evaluation/calibration-table.js';
import type { Figure, Trace } from './figure.js';
import { gridAxes, isLowest, panelAxes, panelHeading, panelNote, twoColumns } from './panels.js';
import { bandLabel, inReflectance, okabeIto, themed } from './theme.js';

const rounded = (value: number): number => Math.round(10 * value) / 10;

/**
 * Calibration of the error that a model states of each tile: the RMSE it had against the RMSE it stated, a panel a band. Tiles
 * outside their stated range are marked, and each panel says how many lie inside.
 *
 * @param tiles [bands][tiles]
 */
export const expectedErrorPlot = (
  tiles: readonly (readonly StatedTile[])[],
  bands: readonly string[],
  title = 'Stated and observed error of tiles',
): Figure => {
  const grid = twoColumns(bands.length);
  const isInside = ({ low, high, observed }: StatedTile): boolean => low <= observed && observed <= high;
  const most = tiles.map(
    (band) => 1.05 * Math.max(1, ...band.flatMap(({ stated, observed }) => [stated, observed])),
  );
  const points = (panel: number, inside: boolean): Trace => {
    const shown = tiles[panel].filter((tile) => isInside(tile) === inside);
    return {
      type: 'scatter',
      mode: 'markers',
      name: inside ? 'inside the stated range' : 'outside',
      legendgroup: String(inside),
      showlegend: panel === 0,
      x: shown.map(({ stated }) => rounded(stated)),
      y: shown.map(({ observed }) => rounded(observed)),
      text: shown.map(({ tile }) => tile),
      marker: { size: 5, opacity: 0.6, color: inside ? okabeIto.blue : okabeIto.vermillion },
      hovertemplate: '%{text}<br>stated %{x}, observed %{y}<extra></extra>',
      ...panelAxes(panel),
    };
  };
  const height = 320 * grid.rows + 80;
  return {
    data: bands.flatMap((_, panel) => [points(panel, true), points(panel, false)]),
    layout: themed({
      title,
      width: 860,
      height,
      legend: {
        orientation: 'h',
        x: 0,
        xanchor: 'left',
        yref: 'container',
        y: 1 - 38 / height,
        yanchor: 'top',
      },
      margin: { t: 100 },
      ...gridAxes(grid, (_, column, panel) => ({
        x: {
          range: [0, most[panel]],
          nticks: 6,
          ...(isLowest(grid, panel) ? { title: { text: inReflectance('stated RMSE') } } : {}),
        },
        y: {
          range: [0, most[panel]],
          nticks: 6,
          ...(column === 0 ? { title: { text: inReflectance('observed RMSE') } } : {}),
        },
      })),
      shapes: bands.map((_, panel) => ({
        type: 'line',
        ...{ xref: panelAxes(panel).xaxis, yref: panelAxes(panel).yaxis },
        ...{ x0: 0, y0: 0, x1: most[panel], y1: most[panel] },
        line: { color: okabeIto.black, width: 1, dash: 'dot' },
      })),
      annotations: bands.flatMap((band, panel) => [
        panelHeading(panel, bandLabel(band)),
        panelNote(
          panel,
          `${((100 * tiles[panel].filter(isInside).length) / Math.max(1, tiles[panel].length)).toFixed(0)} % of ${tiles[panel].length} tiles<br>in their 95 % range`,
        ),
      ]),
    }),
  };
};
