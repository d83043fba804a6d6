import type { Knots } from '../ops/mapping.js';
import type { Figure, Trace } from './figure.js';
import { lutDeparture } from './lut-departure.js';
import { gridAxes, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { bandColours, okabeIto, themed } from './theme.js';

/** The LUTs of one tile. */
export interface TileLut {
  tile: string;
  lut: Knots;
}

/**
 * LUTs as departure from the identity, a panel per band: each tile's (thin), and the global one (black, dashed). Drawn
 * only where the tile has pixels: a knot whose share of the histogram is 0 says nothing.
 *
 * @param shares source histogram of each tile, [bands·knots], aligned with `tiles`; null draws every knot
 */
export const tileLuts = (
  tiles: readonly TileLut[],
  global: Knots | null,
  bands: readonly string[],
  shares: readonly ArrayLike<number>[] | null = null,
): Figure => {
  const grid: PanelGrid = {
    rows: Math.ceil(bands.length / 2),
    columns: Math.min(2, bands.length),
    gap: [0.09, 0.14],
  };
  const curve = (lut: Knots, band: number, counts: ArrayLike<number> | null) => ({
    type: 'scatter',
    mode: 'lines',
    ...lutDeparture(lut, band, counts),
    ...panelAxes(band),
    hovertemplate: '%{x}: %{y:+.0f}<extra>%{fullData.name}</extra>',
  });
  const data: Trace[] = bands.flatMap((_, band) => [
    ...tiles.map(
      ({ tile, lut }, i): Trace => ({
        ...curve(lut, band, shares?.[i] ?? null),
        name: tile,
        showlegend: false,
        line: { color: bandColours[band % bandColours.length], width: 1 },
        opacity: 0.6,
      }),
    ),
    ...(global
      ? [
          {
            ...curve(global, band, null),
            name: 'global LUT',
            legendgroup: 'global',
            showlegend: band === 0,
            line: { color: okabeIto.black, width: 1.5, dash: 'dash' },
          } satisfies Trace,
        ]
      : []),
  ]);
  return {
    data,
    layout: themed({
      title: `LUTs of ${tiles.length} tiles`,
      width: 860,
      height: 310 * grid.rows + 70,
      ...gridAxes(grid, (row, column) => ({
        x: row === grid.rows - 1 ? { title: { text: 'S2 reflectance × 10⁴' } } : {},
        y: {
          zeroline: true,
          zerolinecolor: '#999999',
          ...(column === 0 ? { title: { text: 'LUT − S2, × 10⁴' } } : {}),
        },
      })),
      annotations: bands.map((band, panel) => panelHeading(grid, panel, band)),
      legend: { x: 1, xanchor: 'right', y: 1.06, yanchor: 'bottom', orientation: 'h' },
      margin: { t: 84 },
    }),
  };
};
