import { normalCdf } from '../config/random.js';
import type { Figure, Trace } from './figure.js';
import { gridAxes, legendAbove, type PanelGrid, panelAxes, panelHeading } from './panels.js';
import { inReflectance, okabeIto, seriesColour, themed } from './theme.js';

/** Errors of one method with its predicted standard deviations, pair by pair, stored units. */
export interface StatedErrors {
  name: string;
  /** Prediction − target. */
  errors: ArrayLike<number>;
  /** Above 0. */
  deviations: ArrayLike<number>;
  colour?: string;
}

const levels = Array.from({ length: 19 }, (_, i) => 0.05 * (i + 1));

/** Pairs in ten groups of equal size, ordered by predicted deviation: RMS of the predicted deviations and of the errors. */
const deciles = ({ errors, deviations }: StatedErrors): { predicted: number[]; observed: number[] } => {
  const order = Uint32Array.from({ length: deviations.length }, (_, i) => i).sort(
    (a, b) => deviations[a] - deviations[b],
  );
  const groups = Array.from({ length: 10 }, (_, g) =>
    order.subarray(Math.floor((g * order.length) / 10), Math.floor(((g + 1) * order.length) / 10)),
  ).filter((group) => group.length > 0);
  const rms = (group: Uint32Array, values: ArrayLike<number>): number =>
    Math.round(100 * Math.sqrt(group.reduce((sum, i) => sum + values[i] ** 2, 0) / group.length)) / 100;
  return {
    predicted: groups.map((group) => rms(group, deviations)),
    observed: groups.map((group) => rms(group, errors)),
  };
};

/** Share of errors (%) inside the central interval of a normal distribution, for each of `levels`. */
const coverage = ({ errors, deviations }: StatedErrors): number[] => {
  // the smallest interval that contains each error
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
 * Reliability of a predicted uncertainty. Left: RMSE against predicted standard deviation, in ten groups of equal size. Right:
 * observed against nominal coverage of the normal intervals; below the dotted 1:1 line they are too narrow.
 */
export const uncertaintyCalibration = (
  series: readonly StatedErrors[],
  title = 'Calibration of the uncertainty',
): Figure => {
  const grid: PanelGrid = { rows: 1, columns: 2, gap: [0.12, 0] };
  const groups = series.map(deciles);
  const most =
    1.05 * Math.max(1, ...groups.flatMap(({ predicted, observed }) => [...predicted, ...observed]));
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
      trace(
        i,
        0,
        groups[i].predicted,
        groups[i].observed,
        'predicted %{x}, RMSE %{y}<extra>%{fullData.name}</extra>',
      ),
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
              x: { range: [0, most], title: { text: inReflectance('predicted σ') } },
              y: { range: [0, most], title: { text: inReflectance('RMSE') } },
            }
          : {
              x: { range: [0, 100], title: { text: 'nominal level [%]' } },
              y: { range: [0, 100], title: { text: 'observed coverage [%]' } },
            },
      ),
      shapes: [line(0, most), line(1, 100)],
      annotations: [
        panelHeading(0, 'predicted and observed error'),
        panelHeading(1, 'coverage of intervals'),
      ],
      ...legendAbove(440),
    }),
  };
};
