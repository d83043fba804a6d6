import type { Figure, FigureValue, Trace } from '../figure.js';
import { legendAbove, menuAbove } from '../panels.js';
import { quantileColours, themed } from '../theme.js';

/** One measure over the tiles of a map. */
export interface MapMeasure {
  label: string;
  unit: string;
  /** In the order of the tiles; null where a tile has none. */
  values: readonly (number | null)[];
}

/** A tile of a map: a ring of corners in degrees, without the first one again at its end. */
export interface MapTile {
  tile: string;
  outline: readonly (readonly [lon: number, lat: number])[];
}

/** A quintile of the tiles. */
interface QuantileClass {
  name: string;
  colour: string;
  /** Places in the list of tiles. */
  members: number[];
}

const written = (value: number): string => String(Number(value.toPrecision(3))).replace('-', '−');

/** Quintiles, fewer where values repeat; tiles without a value come last, in grey. */
export const quantileClasses = ({ unit, values }: MapMeasure): QuantileClass[] => {
  const sorted = Float64Array.from(values.filter((value) => value !== null)).sort();
  const limits = [
    ...new Set(
      quantileColours.map((_, i) => sorted[Math.floor((i * sorted.length) / quantileColours.length)]),
    ),
  ];
  const classes = limits.map((_, i): QuantileClass => {
    const place =
      limits.length === 1 ? 0 : Math.round((i * (quantileColours.length - 1)) / (limits.length - 1));
    return { name: '', colour: quantileColours[place], members: [] };
  });
  const without: QuantileClass = { name: 'none', colour: '#dddddd', members: [] };
  for (const [tile, value] of values.entries()) {
    const above = value === null ? -1 : limits.findLastIndex((limit) => value >= limit);
    (classes[above] ?? without).members.push(tile);
  }
  for (const one of classes) {
    const inside = one.members.map((tile) => values[tile] as number);
    const [low, high] = [written(Math.min(...inside)), written(Math.max(...inside))];
    one.name = `${low === high ? low : `${low} to ${high}`} ${unit}`;
  }
  return [...classes, without].filter(({ members }) => members.length > 0);
};

/**
 * Map of tiles by longitude and latitude, without a map server: outlines filled by quintile. A menu picks the measure.
 */
export const tileMap = (
  tiles: readonly MapTile[],
  measures: readonly MapMeasure[],
  title = 'Tiles',
): Figure => {
  const centre = ({ outline }: MapTile, axis: 0 | 1): number =>
    outline.reduce((sum, point) => sum + point[axis], 0) / outline.length;
  const lats = tiles.map((tile) => centre(tile, 1));
  const middle = lats.length === 0 ? 0 : (Math.min(...lats) + Math.max(...lats)) / 2;
  const rings = ({ members }: QuantileClass, axis: 0 | 1): (number | null)[] =>
    members.flatMap((at) => {
      const { outline } = tiles[at];
      return [...[...outline, outline[0]].map((point) => point[axis]), null];
    });
  const areas = measures.map((measure, at): Trace[] =>
    quantileClasses(measure).map((one) => ({
      type: 'scatter',
      mode: 'lines',
      name: one.name,
      visible: at === 0,
      showlegend: true,
      x: rings(one, 0),
      y: rings(one, 1),
      fill: 'toself',
      fillcolor: one.colour,
      line: { color: '#ffffff', width: 1 },
      hoverinfo: 'skip',
    })),
  );
  const texts = ({ label, unit, values }: MapMeasure): string[] =>
    values.map((value) => (value === null ? `${label}: none` : `${label}: ${written(value)} ${unit}`));
  const coloursOf = (measure: MapMeasure): string[] => {
    const colours = new Array<string>(tiles.length);
    for (const { colour, members } of quantileClasses(measure))
      for (const at of members) colours[at] = colour;
    return colours;
  };
  // keeps tiles visible that are tiny on a wide map, and carries the hover text
  const points: Trace = {
    type: 'scatter',
    mode: 'markers',
    x: tiles.map((tile) => centre(tile, 0)),
    y: lats,
    text: tiles.map(({ tile }) => tile),
    customdata: texts(measures[0]),
    marker: { size: 9, symbol: 'square', color: coloursOf(measures[0]) },
    hovertemplate: '%{text}<br>%{customdata}<extra></extra>',
    showlegend: false,
  };
  const names: Trace = {
    type: 'scatter',
    mode: 'text',
    x: tiles.map((tile) => centre(tile, 0)),
    y: tiles.map(({ outline }) => Math.max(...outline.map(([, lat]) => lat))),
    text: tiles.map(({ tile }) => tile),
    textposition: 'top center',
    textfont: { size: 10 },
    hoverinfo: 'skip',
    showlegend: false,
  };
  const above = tiles.length > 40 ? [points] : [points, names];
  const beneath = new Array<null>(areas.flat().length).fill(null);
  const shown = (measure: number): boolean[] => [
    ...areas.flatMap((traces, at) => traces.map(() => at === measure)),
    ...above.map(() => true),
  ];
  const buttons = measures.map(
    (measure, at): FigureValue => ({
      label: measure.label,
      method: 'restyle',
      args: [
        {
          visible: shown(at),
          customdata: [...beneath, texts(measure), null],
          'marker.color': [...beneath, coloursOf(measure), null],
        },
      ],
    }),
  );
  const height = 560;
  return {
    data: [...areas.flat(), ...above],
    layout: themed({
      title,
      height,
      xaxis: { title: { text: 'longitude [°]' } },
      yaxis: {
        title: { text: 'latitude [°]' },
        scaleanchor: 'x',
        scaleratio: 1 / Math.max(0.1, Math.cos((middle * Math.PI) / 180)),
      },
      ...legendAbove(height),
      ...(measures.length > 1
        ? { updatemenus: [{ type: 'dropdown', x: 1, xanchor: 'right', ...menuAbove, buttons }] }
        : {}),
    }),
  };
};
