import { normalCdf } from '../config/random.js';
import type { Figure, Trace } from './figure.js';
import { gridAxes, legendAbove, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { inReflectance, okabeIto, seriesColour, themed } from './theme.js';

/** Errors of one method and the standard deviations that it stated for them, pair by pair, stored units. */
export interface StatedErrors {
  name: string;
  /** Prediction − target. */
  errors: ArrayLike<number>;
  /** Above 0. */
  deviations: ArrayLike<number>;
  colour?: string;
}

const levels = Array.from({ length: 19 }, (_, i) => 0.05 * (i + 1));

/** Pairs in ten groups of equal size by their stated deviation: root mean squares of what was stated and what came. */
const deciles = ({ errors, deviations }: StatedErrors): { stated: number[]; came: number[] } => {
  const order = Uint32Array.from({ length: deviations.length }, (_, i) => i).sort(
    (a, b) => deviations[a] - deviations[b],
  );
  const groups = Array.from({ length: 10 }, (_, g) =>
    order.subarray(Math.floor((g * order.length) / 10), Math.floor(((g + 1) * order.length) / 10)),
  ).filter((group) => group.length > 0);
  const rms = (group: Uint32Array, values: ArrayLike<number>): number =>
    Math.round(100 * Math.sqrt(group.reduce((sum, i) => sum + values[i] ** 2, 0) / group.length)) / 100;
  return {
    stated: groups.map((group) => rms(group, deviations)),
    came: groups.map((group) => rms(group, errors)),
  };
};

/** Share of errors (%) inside the central interval of a normal distribution, for each of `levels`. */
const coverage = ({ errors, deviations }: StatedErrors): number[] => {
  // the level at which an interval just reaches an error
  const reached = Float64Array.from(
    { length: errors.length },
    (_, i) => 2 * normalCdf(Math.abs(errors[i]) / deviations[i]) - 1,
  ).sort();
  return levels.map((level) => {
    let inside = 0;
    while (inside < reached.length && reached[inside] <= level) inside++;
    return Math.round((1e4 * inside) / reached.length) / 100;
  });
};

/**
 * Whether a method's uncertainty is true. Left: the RMSE of ten equal groups of errors against the standard deviation stated for
 * them. Right: how many errors lie inside the stated interval of each level. On the dotted lines what is stated is what
 * comes; below it, on the right, intervals are too narrow.
 */
export const uncertaintyCalibration = (
  series: readonly StatedErrors[],
  title = 'Calibration of the uncertainty',
): Figure => {
  const grid: PanelGrid = { rows: 1, columns: 2, gap: [0.12, 0] };
  const groups = series.map(deciles);
  const most = 1.05 * Math.max(1, ...groups.flatMap(({ stated, came }) => [...stated, ...came]));
  const line = (panel: number, end: number) => ({
    type: 'line',
    ...{ xref: panelAxes(panel).xaxis, yref: panelAxes(panel).yaxis, x0: 0, y0: 0, x1: end, y1: end },
    line: { color: okabeIto.black, width: 1, dash: 'dot' },
  });
  const trace = (i: number, panel: number, x: number[], y: number[], hovertemplate: string): Trace => ({
    type: 'scatter',
    mode: 'lines+markers',
    name: series[i].name,
    legendgroup: series[i].name,
    showlegend: panel === 0,
    x,
    y,
    line: { color: series[i].colour ?? seriesColour(i), width: 2 },
    marker: { size: 6 },
    hovertemplate,
    ...panelAxes(panel),
  });
  return {
    data: series.flatMap((one, i) => [
      trace(i, 0, groups[i].stated, groups[i].came, 'stated %{x}, RMSE %{y}<extra>%{fullData.name}</extra>'),
      trace(
        i,
        1,
        levels.map((level) => Math.round(100 * level)),
        coverage(one),
        '%{y} % of errors in the %{x} % interval<extra>%{fullData.name}</extra>',
      ),
    ]),
    layout: themed({
      title,
      width: 860,
      height: 440,
      showlegend: series.length > 1,
      ...gridAxes(grid, (_, column) =>
        column === 0
          ? {
              x: { range: [0, most], title: { text: inReflectance('stated deviation') } },
              y: { range: [0, most], title: { text: inReflectance('RMSE') } },
            }
          : {
              x: { range: [0, 100], title: { text: 'stated interval [%]' } },
              y: { range: [0, 100], title: { text: 'errors inside [%]' } },
            },
      ),
      shapes: [line(0, most), line(1, 100)],
      annotations: [panelHeading(0, 'spread'), panelHeading(1, 'coverage')],
      ...legendAbove(440),
    }),
  };
};
