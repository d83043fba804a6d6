import type { Figure, Trace } from '../figure.js';
import { legendAbove, menuAbove } from '../panels.js';
import { seriesColour, themed } from '../theme.js';

/** The observations of one sensor over one tile. */
export interface StripRow {
  name: string;
  /** `YYYY-MM-DD`. */
  dates: readonly string[];
  /** Clear share of each, %, null where it is not known. */
  clear: readonly (number | null)[];
  colour?: string;
}

export interface StripTile {
  tile: string;
  rows: readonly StripRow[];
}

/** Half a day beyond a day, so that a mark on the period's first or last day is whole. */
const beside = (day: string, halfDays: 1 | -1): string =>
  new Date(Date.parse(day) + halfDays * 43_200_000).toISOString().slice(0, 13).replace('T', ' ');

const traceOf = (tile: string, row: StripRow, index: number, threshold: number, clear: boolean): Trace => {
  const chosen = row.dates
    .map((date, at) => ({ date, share: row.clear[at] }))
    .filter(({ share }) => (share === null || share >= threshold - 1e-7) === clear);
  const colour = row.colour ?? seriesColour(index);
  return {
    type: 'scatter',
    mode: 'markers',
    name: `${row.name}, ${clear ? 'clear' : 'cloudy'}`,
    x: chosen.map(({ date }) => date),
    y: chosen.map(() => row.name),
    customdata: chosen.map(({ share }) =>
      share === null ? 'clear share not known' : `${share.toFixed(0)} % clear`,
    ),
    marker: {
      symbol: clear ? 'square' : 'square-open',
      size: 10,
      color: colour,
      opacity: clear ? 1 : 0.6,
      line: { color: colour, width: 1.5 },
    },
    hovertemplate: `${tile} %{x}<br>%{customdata}<extra>%{fullData.name}</extra>`,
  };
};

/**
 * Acquisitions of a tile over time, one row per sensor, filled where clear and open where cloudy. A menu picks the tile.
 *
 * @param threshold clear from this share of clear pixels on, %
 */
export const calendarStrip = (
  tiles: readonly StripTile[],
  period: { from: string; to: string },
  threshold: number,
  title = 'Observations',
): Figure => {
  const traces = tiles.map(({ tile, rows }) =>
    rows.flatMap((row, index) => [true, false].map((clear) => traceOf(tile, row, index, threshold, clear))),
  );
  const height = 240 + 50 * (tiles[0]?.rows.length ?? 0);
  const perTile = traces[0]?.length ?? 0;
  const heading = (tile: string): string => `${title}: ${tile}`;
  const dropdown = {
    type: 'dropdown',
    direction: 'down',
    x: 1,
    xanchor: 'right',
    ...menuAbove,
    showactive: true,
    buttons: tiles.map(({ tile }, chosen) => ({
      label: tile,
      method: 'update',
      args: [
        { visible: tiles.flatMap((_, index) => Array.from({ length: perTile }, () => index === chosen)) },
        { 'title.text': heading(tile) },
      ],
    })),
  };
  return {
    data: traces.flatMap((ofTile, index) => ofTile.map((trace) => ({ ...trace, visible: index === 0 }))),
    layout: themed({
      title: heading(tiles[0]?.tile ?? ''),
      height,
      xaxis: {
        type: 'date',
        range: [beside(period.from, -1), beside(period.to, 1)],
        title: { text: 'date [UTC]' },
      },
      yaxis: { type: 'category', autorange: 'reversed' },
      ...legendAbove(height),
      ...(tiles.length > 1 ? { updatemenus: [dropdown] } : {}),
    }),
  };
};
