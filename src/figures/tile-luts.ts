import type { Knots } from '../ops/mapping.js';
import type { Figure, Trace } from './figure.js';
import { bandColours, okabeIto } from './theme.js';

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
  const departure = (lut: Knots, band: number, share: ArrayLike<number> | null) => {
    const spacing = (lut.bandMax[band] - 1) / (lut.knots - 1);
    const knots = Array.from({ length: lut.knots }, (_, k) => k);
    return {
      x: knots.map((k) => Math.round(k * spacing)),
      y: knots.map((k) =>
        share && share[band * lut.knots + k] === 0
          ? null
          : Math.round(10 * (lut.values[band * lut.knots + k] - k * spacing)) / 10,
      ),
    };
  };
  const panel = (band: number) => ({
    xaxis: band === 0 ? 'x' : `x${band + 1}`,
    yaxis: band === 0 ? 'y' : `y${band + 1}`,
  });
  const data: Trace[] = bands.flatMap((_, band) => [
    ...tiles.map(
      ({ tile, lut }, i): Trace => ({
        type: 'scatter',
        mode: 'lines',
        name: tile,
        showlegend: false,
        ...departure(lut, band, shares?.[i] ?? null),
        ...panel(band),
        line: { color: bandColours[band % bandColours.length], width: 1 },
        opacity: 0.6,
      }),
    ),
    ...(global
      ? [
          {
            type: 'scatter',
            mode: 'lines',
            name: 'global LUT',
            showlegend: band === 0,
            ...departure(global, band, null),
            ...panel(band),
            line: { color: okabeIto.black, width: 1.5, dash: 'dash' },
          } as Trace,
        ]
      : []),
  ]);
  const columns = 2;
  const rows = Math.ceil(bands.length / columns);
  const axes = Object.fromEntries(
    bands.flatMap((band, i) => {
      const suffix = i === 0 ? '' : String(i + 1);
      return [
        [
          `xaxis${suffix}`,
          { title: { text: `S2 ${band}` }, showline: true, ticks: 'outside', gridcolor: '#e5e5e5' },
        ],
        [
          `yaxis${suffix}`,
          {
            title: { text: i % columns === 0 ? 'LUT − S2' : '' },
            showline: true,
            ticks: 'outside',
            gridcolor: '#e5e5e5',
            zerolinecolor: '#999999',
          },
        ],
      ];
    }),
  );
  return {
    data,
    layout: {
      title: { text: `LUTs of ${tiles.length} tiles, reflectance × 10 000` },
      width: 820,
      height: 360 * rows,
      font: { family: 'Arial, Helvetica, sans-serif', size: 13 },
      paper_bgcolor: 'white',
      plot_bgcolor: 'white',
      grid: { rows, columns, pattern: 'independent', xgap: 0.12, ygap: 0.18 },
      ...axes,
      legend: { x: 1, xanchor: 'right', y: 1.06, orientation: 'h' },
      margin: { l: 70, r: 20, t: 60, b: 55 },
    },
  };
};
