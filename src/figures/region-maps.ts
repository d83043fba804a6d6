import type { Figure, Trace } from './figure.js';
import { gridAxes, legendAbove, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { quantileClasses } from './temporal/tile-map.js';
import { themed } from './theme.js';

/** A tile on the map of its region: a rectangle in the coordinates of its projection, km. */
export interface PlacedTile {
  tile: string;
  region: string;
  left: number;
  top: number;
  width: number;
  height: number;
  value: number;
}

/**
 * Tiles as filled rectangles, a panel a region, in the colours of quintiles over all tiles: for example what each gains by
 * alignment. Regions may lie continents apart.
 *
 * @param measure what the values are, for the legend: `unit` stands behind the limits of each class
 */
export const regionMaps = (
  tiles: readonly PlacedTile[],
  measure: { label: string; unit: string },
  title: string = measure.label,
): Figure => {
  const regions = [...new Set(tiles.map(({ region }) => region))].sort();
  const grid: PanelGrid = {
    rows: Math.ceil(regions.length / 4),
    columns: Math.min(4, regions.length),
    panels: regions.length,
    gap: [0.06, 0.12],
  };
  const values = tiles.map(({ value }) => value);
  const traces = quantileClasses({ ...measure, values }).flatMap(({ name, colour, members }): Trace[] =>
    regions.map((region, panel) => {
      const own = members.map((at) => tiles[at]).filter((tile) => tile.region === region);
      const km = (value: number): number => Math.round(1000 * value) / 1000;
      return {
        type: 'scatter',
        mode: 'lines',
        name,
        legendgroup: name,
        showlegend: panel === 0,
        x: own.flatMap(({ left, width }) => [
          ...[left, left + width, left + width, left, left].map(km),
          null,
        ]),
        y: own.flatMap(({ top, height }) => [...[top, top, top - height, top - height, top].map(km), null]),
        fill: 'toself',
        fillcolor: colour,
        line: { color: '#ffffff', width: 1 },
        hoverinfo: 'skip',
        ...panelAxes(panel),
      };
    }),
  );
  const names = regions.map((region, panel): Trace => {
    const own = tiles.filter((tile) => tile.region === region);
    return {
      type: 'scatter',
      mode: 'markers',
      x: own.map(({ left, width }) => left + width / 2),
      y: own.map(({ top, height }) => top - height / 2),
      text: own.map(({ tile, value }) => `${tile}: ${value.toFixed(1)} ${measure.unit}`),
      marker: { size: 8, opacity: 0 },
      hovertemplate: '%{text}<extra></extra>',
      showlegend: false,
      ...panelAxes(panel),
    };
  });
  const height = 480 * grid.rows + 120;
  return {
    data: [...traces, ...names],
    layout: themed({
      title,
      width: 860,
      height,
      ...legendAbove(height),
      ...gridAxes(grid, (row, column, panel) => ({
        x: {
          showgrid: false,
          nticks: 4,
          constrain: 'domain',
          ...(row === grid.rows - 1 ? { title: { text: 'easting [km]' } } : {}),
        },
        y: {
          showgrid: false,
          nticks: 6,
          constrain: 'domain',
          scaleanchor: panelAxes(panel).xaxis,
          ...(column === 0 ? { title: { text: 'northing [km]' } } : {}),
        },
      })),
      annotations: regions.map((region, panel) => panelHeading(panel, region)),
    }),
  };
};
