import type { Layout } from './figure.js';
import { gridAxes, type PanelGrid, panelAxes, panelHeading } from './panels.js';

const margin = { l: 64, t: 76, b: 56 };

/**
 * Layout of a grid of images with square pixels, row 0 at the top, axes in pixels and a heading above each. The figure is
 * sized to fit.
 *
 * @param edge width of an image, CSS pixels
 * @param right right margin, for example for a colour bar
 */
export const imagePanels = (
  headings: readonly string[],
  { width, height, columns = headings.length }: { width: number; height: number; columns?: number },
  { edge = 250, right = 24 }: { edge?: number; right?: number } = {},
): Layout => {
  const rows = Math.ceil(headings.length / columns);
  const [across, down] = [12, 34];
  const tall = Math.round((edge * height) / width);
  const [plotWidth, plotHeight] = [edge * columns + across * (columns - 1), tall * rows + down * (rows - 1)];
  const grid: PanelGrid = { rows, columns, gap: [across / plotWidth, down / plotHeight] };
  return {
    width: plotWidth + margin.l + right,
    height: plotHeight + margin.t + margin.b,
    margin: { ...margin, r: right },
    ...gridAxes(grid, (row, column, panel) => ({
      x: {
        range: [-0.5, width - 0.5],
        showgrid: false,
        automargin: false,
        constrain: 'domain',
        nticks: 5,
        ...(row === rows - 1 ? { title: { text: 'column [pixels]' } } : { showticklabels: false }),
      },
      y: {
        range: [height - 0.5, -0.5],
        showgrid: false,
        automargin: false,
        constrain: 'domain',
        scaleanchor: panelAxes(panel).xaxis,
        nticks: 5,
        ...(column === 0 ? { title: { text: 'row [pixels]' } } : { showticklabels: false }),
      },
    })),
    annotations: headings.map((heading, panel) => panelHeading(panel, heading)),
  };
};
