import type { Figure, Trace } from './figure.js';
import { gridAxes, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { okabeIto, themed } from './theme.js';

/** A value with its interval. */
export interface Estimate {
  value: number;
  low: number;
  high: number;
  /** Single values behind it, such as one for each seed; drawn as small circles. */
  points?: readonly number[];
}

/** A measure: a panel of its own. */
export interface IntervalPanel {
  label: string;
  /** What the horizontal axis shows, with its unit. */
  axis: string;
  /** A value to be compared with, drawn as a dashed line. */
  reference?: number;
}

/** One line of the plot: an estimate for each panel, null where there is none. */
export interface IntervalRow {
  label: string;
  estimates: readonly (Estimate | null)[];
  colour?: string;
}

/** Values with their intervals, a line for each variant and a panel for each measure (a forest plot). */
export const intervalPlot = (
  rows: readonly IntervalRow[],
  panels: readonly IntervalPanel[],
  title = 'Estimates and 95 % intervals',
): Figure => {
  const grid: PanelGrid = { rows: 1, columns: panels.length, gap: [0.03, 0] };
  const labels = rows.map(({ label }) => label);
  return {
    data: panels.flatMap(({ label: measure }, panel) => {
      const found = rows.flatMap(({ label, estimates, colour }) => {
        const estimate = estimates[panel];
        return estimate && Number.isFinite(estimate.value)
          ? [{ label, ...estimate, colour: colour ?? okabeIto.blue }]
          : [];
      });
      const singles = found.flatMap(({ label, points = [] }) => points.map((point) => ({ label, point })));
      const estimates: Trace = {
        type: 'scatter',
        mode: 'markers',
        name: measure,
        x: found.map(({ value }) => value),
        y: found.map(({ label }) => label),
        error_x: {
          type: 'data',
          symmetric: false,
          array: found.map(({ value, high }) => high - value),
          arrayminus: found.map(({ value, low }) => value - low),
          color: '#555555',
          thickness: 1.5,
          width: 4,
        },
        marker: { size: 7, symbol: 'square', color: found.map(({ colour }) => colour) },
        hovertemplate: '%{y}: %{x:.4~g}<extra></extra>',
        ...panelAxes(panel),
      };
      const seeds: Trace = {
        type: 'scatter',
        mode: 'markers',
        name: `${measure}, single runs`,
        x: singles.map(({ point }) => point),
        y: singles.map(({ label }) => label),
        marker: { size: 7, symbol: 'circle-open', color: okabeIto.black, line: { width: 1 } },
        hovertemplate: '%{y}: %{x:.4~g}, a single run<extra></extra>',
        ...panelAxes(panel),
      };
      return singles.length > 0 ? [estimates, seeds] : [estimates];
    }),
    layout: themed({
      title,
      width: 860,
      height: 30 * rows.length + 150,
      showlegend: false,
      ...gridAxes(grid, (_, column) => {
        return {
          x: { title: { text: panels[column].axis }, nticks: panels.length > 3 ? 4 : 5, tickangle: 0 },
          y: {
            type: 'category',
            categoryorder: 'array',
            categoryarray: labels.toReversed(),
            range: [-0.6, labels.length - 0.4],
            ...(column === 0 ? {} : { showticklabels: false }),
          },
        };
      }),
      annotations: panels.map(({ label }, panel) => panelHeading(panel, label)),
      shapes: panels.flatMap(({ reference }, panel) =>
        reference === undefined
          ? []
          : [
              {
                type: 'line',
                xref: panelAxes(panel).xaxis,
                yref: `${panelAxes(panel).yaxis} domain`,
                x0: reference,
                x1: reference,
                y0: 0,
                y1: 1,
                line: { color: okabeIto.black, width: 1, dash: 'dash' },
              },
            ],
      ),
    }),
  };
};
