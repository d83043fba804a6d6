import type { Figure, FigureValue } from '../figure.js';
import { sequentialScale, themed } from '../theme.js';

/** One measure over the tiles of a map. */
export interface MapMeasure {
  label: string;
  unit: string;
  /** In the order of the tiles; null where a tile has none. */
  values: readonly (number | null)[];
}

export interface MapTile {
  tile: string;
  outline: readonly (readonly [lon: number, lat: number])[];
}

/** Tiles in longitude and latitude, drawn from their outlines without a map server; a dropdown picks the measure. */
export const tileMap = (
  tiles: readonly MapTile[],
  measures: readonly MapMeasure[],
  title = 'Tiles',
): Figure => {
  const close = ({ outline }: MapTile) => [...outline, outline[0]];
  const centre = ({ outline }: MapTile, axis: 0 | 1): number =>
    outline.reduce((sum, point) => sum + point[axis], 0) / outline.length;
  const lats = tiles.map((tile) => centre(tile, 1));
  const middle = lats.length === 0 ? 0 : (Math.min(...lats) + Math.max(...lats)) / 2;
  const marker = ({ label, unit, values }: MapMeasure): FigureValue => ({
    symbol: 'square',
    size: tiles.length > 200 ? 7 : 16,
    color: values,
    colorscale: sequentialScale,
    showscale: true,
    colorbar: { title: { text: `${label} [${unit}]`, side: 'right' } },
    line: { width: 0 },
  });
  const texts = ({ label, unit, values }: MapMeasure): string[] =>
    values.map((value) =>
      value === null ? `${label}: none` : `${label}: ${Number(value.toFixed(2))} ${unit}`,
    );
  const [first] = measures;
  return {
    data: [
      {
        type: 'scatter',
        mode: 'lines',
        x: tiles.flatMap((tile) => [...close(tile).map(([lon]) => lon), null]),
        y: tiles.flatMap((tile) => [...close(tile).map(([, lat]) => lat), null]),
        line: { color: '#888888', width: 1 },
        hoverinfo: 'skip',
        showlegend: false,
      },
      {
        type: 'scatter',
        mode: tiles.length > 40 ? 'markers' : 'markers+text',
        x: tiles.map((tile) => centre(tile, 0)),
        y: lats,
        text: tiles.map(({ tile }) => tile),
        textposition: 'bottom center',
        textfont: { size: 10 },
        customdata: texts(first),
        marker: marker(first),
        hovertemplate: '%{text}<br>%{customdata}<extra></extra>',
        showlegend: false,
      },
    ],
    layout: themed({
      title,
      height: 560,
      xaxis: { title: { text: 'longitude [°]' } },
      yaxis: {
        title: { text: 'latitude [°]' },
        scaleanchor: 'x',
        scaleratio: 1 / Math.max(0.1, Math.cos((middle * Math.PI) / 180)),
      },
      margin: { t: 84 },
      ...(measures.length > 1
        ? {
            updatemenus: [
              {
                type: 'dropdown',
                x: 1,
                xanchor: 'right',
                y: 1.14,
                yanchor: 'top',
                buttons: measures.map((measure) => ({
                  label: measure.label,
                  method: 'restyle',
                  args: [{ marker: [marker(measure)], customdata: [texts(measure)] }, [1]],
                })),
              },
            ],
          }
        : {}),
    }),
  };
};
