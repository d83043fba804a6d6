import type { Figure, Layout, Trace } from './figure.js';
import type { JointCounts } from './joint-counts.js';
import { gridAxes, type PanelGrid, panelAxes, panelHeading, panelNote } from './panels.js';
import { inReflectance, okabeIto, sequentialScale, themed } from './theme.js';

/** One panel: what a method makes of one band, against the target. */
export interface DensityPanel {
  joint: JointCounts;
  /** Pooled over all valid pixels, those outside the panel's range too. */
  rmse: number;
  r2: number;
}

/** Panels of one method, one for each band. */
export interface DensityRow {
  /** Title of the row's horizontal axes: a method, or the source sensor for unaligned pixels. */
  method: string;
  panels: readonly DensityPanel[];
}

const rounded = (value: number): number => Math.round(100 * value) / 100;

/** The squares that hold pixels: first and last column and row; one empty square where there are none. */
const filled = ({ bins, counts }: JointCounts) => {
  const box = { left: bins, right: 0, low: bins, high: 0 };
  for (let row = 0; row < bins; row++)
    for (let column = 0; column < bins; column++)
      if (counts[row * bins + column] > 0) {
        box.left = Math.min(box.left, column);
        box.right = Math.max(box.right, column);
        box.low = Math.min(box.low, row);
        box.high = Math.max(box.high, row);
      }
  return box.left === bins ? { left: 0, right: 0, low: 0, high: 0 } : box;
};

const between = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

/** The heat map of one panel, cropped to the squares that hold pixels. */
export const densityTrace = (joint: JointCounts, panel: number): Trace => {
  const { bins, low, high, counts } = joint;
  const width = (high - low) / bins;
  const box = filled(joint);
  return {
    type: 'heatmap',
    x0: rounded(low + (box.left + 0.5) * width),
    dx: rounded(width),
    y0: rounded(low + (box.low + 0.5) * width),
    dy: rounded(width),
    z: between(box.low, box.high).map((row) =>
      between(box.left, box.right).map((column) => {
        const count = counts[row * bins + column];
        return count === 0 ? null : rounded(Math.log10(count));
      }),
    ),
    coloraxis: 'coloraxis',
    hoverongaps: false,
    hovertemplate: '%{x:.0f}, %{y:.0f} in the target: 10^%{z} pixels<extra></extra>',
    ...panelAxes(panel),
  };
};

/** The 1:1 line of a panel. */
export const identityLine = (panel: number, { low, high }: JointCounts): Layout => {
  const { xaxis, yaxis } = panelAxes(panel);
  return {
    type: 'line',
    xref: xaxis,
    yref: yaxis,
    x0: low,
    y0: low,
    x1: high,
    y1: high,
    line: { color: okabeIto.black, width: 1, dash: 'dot' },
  };
};

/** A logarithmic colour axis of pixel counts; `place` overrides keys of its colour bar. */
export const pixelColours = (panels: readonly DensityPanel[], place: Layout): Layout => {
  const most = Math.max(1, ...panels.map(({ joint }) => joint.counts.reduce((a, b) => Math.max(a, b), 0)));
  const decades = Array.from({ length: Math.floor(Math.log10(most)) + 1 }, (_, power) => power);
  return {
    colorscale: sequentialScale,
    cmin: 0,
    cmax: rounded(Math.log10(most)),
    colorbar: {
      title: { text: 'pixels', side: 'right' },
      tickvals: decades,
      ticktext: decades.map((power) => String(10 ** power)),
      thickness: 14,
      ...place,
    },
  };
};

/**
 * Density scatter of target against predicted reflectance, one row per method and one column per band (as in the paper's
 * Figure 6). Colour is log₁₀ of the number of pixels; the dotted line is 1:1.
 *
 * @param target name of the target sensor
 */
export const densityScatter = (
  rows: readonly DensityRow[],
  bands: readonly string[],
  { target = 'GF1', title = 'Prediction against target' }: { target?: string; title?: string } = {},
): Figure => {
  const grid: PanelGrid = {
    rows: rows.length,
    columns: bands.length,
    gap: [0.065, 66 / (rows.length * 190 + (rows.length - 1) * 66)],
  };
  const panels = rows.flatMap((row) => row.panels);
  return {
    data: panels.map(({ joint }, panel) => densityTrace(joint, panel)),
    layout: themed({
      title,
      width: 240 * bands.length + 110,
      height: 256 * rows.length + 70,
      showlegend: false,
      coloraxis: pixelColours(panels, { len: 0.6 }),
      ...gridAxes(grid, (row, column, panel) => {
        const { low, high } = panels[panel].joint;
        const beside = column === 0 ? { title: { text: inReflectance(target) } } : {};
        return {
          x: { range: [low, high], nticks: 5, title: { text: `${rows[row].method} [× 10⁴]`, standoff: 4 } },
          y: { range: [low, high], nticks: 5, ...beside },
        };
      }),
      shapes: panels.map(({ joint }, panel) => identityLine(panel, joint)),
      annotations: [
        ...bands.map((band, column) => panelHeading(column, band)),
        ...panels.map(({ rmse, r2 }, panel) =>
          panelNote(panel, `RMSE ${rmse.toFixed(1)}<br>R² ${r2.toFixed(3)}`),
        ),
      ],
    }),
  };
};
