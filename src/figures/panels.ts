import type { FigureValue, Layout } from './figure.js';
import { bandLabel } from './theme.js';

/** A grid of panels that share a figure, numbered row by row from the upper left. */
export interface PanelGrid {
  rows: number;
  columns: number;
  /** Panels in use, where the last row is not full. */
  panels?: number;
  /** Space between columns and rows, shares of the plot's width and height. */
  gap?: readonly [across: number, down: number];
  /** Relative heights of the rows, from the top; equal by default. */
  heights?: readonly number[];
}

const suffix = (panel: number): string => (panel === 0 ? '' : String(panel + 1));

/** The axes of panel `panel`, as a trace names them: `x`, `y`; `x2`, `y2`; … */
export const panelAxes = (panel: number): { xaxis: string; yaxis: string } => ({
  xaxis: `x${suffix(panel)}`,
  yaxis: `y${suffix(panel)}`,
});

/** Panels for some bands, two in a row. */
export const twoColumns = (count: number): PanelGrid => ({
  rows: Math.ceil(count / 2),
  columns: Math.min(2, count),
  panels: count,
  gap: [0.09, 0.14],
});

/** Does no panel stand below this one? Then it carries the title of the horizontal axis. */
export const isLowest = (grid: PanelGrid, panel: number): boolean =>
  panel + grid.columns >= (grid.panels ?? grid.rows * grid.columns);

/** Where panels stand: the extent of a column and of a row on the plot, from 0 to 1. */
const extents = (grid: PanelGrid) => {
  const [across, down] = grid.gap ?? [0.05, 0.08];
  const width = (1 - across * (grid.columns - 1)) / grid.columns;
  const heights = grid.heights ?? new Array<number>(grid.rows).fill(1);
  const unit = (1 - down * (grid.rows - 1)) / heights.reduce((sum, height) => sum + height, 0);
  return {
    column: (column: number): [number, number] => {
      const left = column * (width + across);
      return [left, Math.min(1, left + width)];
    },
    row: (row: number): [number, number] => {
      const top = 1 - heights.slice(0, row).reduce((sum, height) => sum + height * unit + down, 0);
      return [Math.max(0, top - heights[row] * unit), top];
    },
  };
};

/** What one panel asks of its axes: any layout keys of an x and a y axis. */
export interface PanelStyle {
  x?: Layout;
  y?: Layout;
}

/** Layout keys of the axes of every panel of a grid. */
export const gridAxes = (
  grid: PanelGrid,
  style: (row: number, column: number, panel: number) => PanelStyle,
): Layout => {
  const place = extents(grid);
  const axes: Record<string, FigureValue> = {};
  for (let panel = 0; panel < (grid.panels ?? grid.rows * grid.columns); panel++) {
    const [row, column] = [Math.floor(panel / grid.columns), panel % grid.columns];
    const { x, y } = style(row, column, panel);
    axes[`xaxis${suffix(panel)}`] = { domain: place.column(column), anchor: `y${suffix(panel)}`, ...x };
    axes[`yaxis${suffix(panel)}`] = { domain: place.row(row), anchor: `x${suffix(panel)}`, ...y };
  }
  return axes;
};

/** The name that marks an annotation as the heading of its panel. */
export const headingName = 'heading';

/** A heading above a panel, bands spelled as in {@link bandLabel}: it goes with the panel's axes wherever they are put. */
export const panelHeading = (panel: number, text: string): Layout => ({
  name: headingName,
  text: bandLabel(text),
  showarrow: false,
  xref: `x${suffix(panel)} domain`,
  yref: `y${suffix(panel)} domain`,
  x: 0.5,
  y: 1,
  xanchor: 'center',
  yanchor: 'bottom',
  font: { size: 13 },
});

/** A legend in a line between the title and the headings of the panels, in a figure of this height (pixels). */
export const legendAbove = (height: number): Layout => ({
  legend: {
    ...{ orientation: 'h', x: 0, xanchor: 'left', font: { size: 12 } },
    ...{ yref: 'container', y: 1 - 38 / height, yanchor: 'top' },
  },
  margin: { t: 100 },
});

/** A menu between such a legend and the plot. */
export const menuAbove = { y: 1, yanchor: 'bottom', pad: { b: 8 } } as const;

/** A note inside the upper left corner of a panel. */
export const panelNote = (panel: number, text: string): Layout => ({
  text,
  showarrow: false,
  xref: `x${suffix(panel)} domain`,
  yref: `y${suffix(panel)} domain`,
  x: 0.03,
  y: 0.98,
  xanchor: 'left',
  yanchor: 'top',
  align: 'left',
  bgcolor: 'rgba(255,255,255,0.75)',
  font: { size: 11 },
});
