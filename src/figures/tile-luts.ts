import type { Knots } from '../models/mapping.js';
import type { Figure, Trace } from './figure.js';
import { leastShare, lutDeparture, mappingDeparture } from './lut-departure.js';
import { gridAxes, isLowest, legendAbove, panelAxes, panelHeading, twoColumns } from './panels.js';
import { bandColour, inReflectance, okabeIto, themed } from './theme.js';

/** The LUTs of one tile. */
export interface TileLut {
  tile: string;
  lut: Knots;
}

/**
 * LUT − identity of many tiles (thin) and of the global LUT (black, dashed), one panel per band. A tile's curve is drawn
 * where the tile has at least 0.1 % of its pixels.
 *
 * @param shares source histogram of each tile, [bands·knots], aligned with `tiles`; null draws every knot
 */
export const tileLuts = (
  tiles: readonly TileLut[],
  global: Knots | null,
  bands: readonly string[],
  shares: readonly ArrayLike<number>[] | null = null,
  { title = `LUTs of ${tiles.length} tiles`, source = 'S2' }: { title?: string; source?: string } = {},
): Figure => {
  const grid = twoColumns(bands.length);
  const curve = (lut: Knots, band: number, counts: ArrayLike<number> | null) => ({
    type: 'scatter',
    mode: 'lines',
    ...lutDeparture(lut, band, counts, leastShare),
    ...panelAxes(band),
    hovertemplate: '%{x}: %{y:+.0f}<extra>%{fullData.name}</extra>',
  });
  /** Values between which a tile is drawn. */
  const drawn = (band: number): [number, number] => {
    const values = tiles.flatMap(({ lut }, i) => lutDeparture(lut, band, shares?.[i] ?? null, leastShare).x);
    return [Math.min(...values), Math.max(...values)];
  };
  const data: Trace[] = bands.flatMap((_, band) => [
    ...tiles.map(
      ({ tile, lut }, i): Trace => ({
        ...curve(lut, band, shares?.[i] ?? null),
        name: tile,
        showlegend: false,
        line: { color: bandColour(bands[band], band), width: 1 },
        opacity: 0.6,
      }),
    ),
    ...(global
      ? [
          {
            ...curve(global, band, null),
            ...(shares && tiles.length > 0 ? mappingDeparture(global, band, drawn(band)) : {}),
            name: 'global LUT',
            legendgroup: 'global',
            showlegend: band === 0,
            line: { color: okabeIto.black, width: 1.5, dash: 'dash' },
          } satisfies Trace,
        ]
      : []),
  ]);
  const height = 310 * grid.rows + 70;
  return {
    data,
    layout: themed({
      title,
      width: 860,
      height,
      ...gridAxes(grid, (_, column, panel) => ({
        x: isLowest(grid, panel) ? { title: { text: inReflectance(source) } } : {},
        y: {
          zeroline: true,
          zerolinecolor: '#999999',
          ...(column === 0 ? { title: { text: inReflectance(`LUT − ${source}`) } } : {}),
        },
      })),
      annotations: bands.map((band, panel) => panelHeading(panel, band)),
      ...legendAbove(height),
    }),
  };
};
