import type { Figure } from './figure.js';
import { legendAbove } from './panels.js';
import { inReflectance, seriesColour, themed } from './theme.js';

/** The losses of one run by epoch. */
export interface LossCurve {
  label: string;
  epochs: readonly number[];
  /** Mean training MSE of each epoch, stored units². */
  train: readonly number[];
  /** Epochs that were validated, and their MSE. */
  validated: readonly number[];
  val: readonly number[];
}

const rmse = (mse: number): number => Math.round(100 * Math.sqrt(mse)) / 100;

/** 1, 2 and 5 times powers of ten between `low` and `high`. */
const roundValues = (low: number, high: number): number[] => {
  const [first, last] = [Math.floor(Math.log10(low)), Math.ceil(Math.log10(high))];
  return Array.from({ length: last - first + 1 }, (_, power) => 10 ** (first + power))
    .flatMap((ten) => [ten, 2 * ten, 5 * ten])
    .filter((value) => value >= low && value <= high);
};

/** An axis with two ticks or more, written out: a logarithmic one has them at 1, 2 and 5, a narrow range lies between. */
const errorAxis = (curves: readonly LossCurve[]): Record<string, unknown> => {
  const errors = curves.flatMap(({ train, val }) => [...train, ...val]).map(rmse);
  const [low, high] = [Math.min(...errors), Math.max(...errors)];
  if (!(low > 0 && high > 5 * low)) return {};
  return { type: 'log', tickmode: 'array', tickvals: roundValues(low / 1.2, high * 1.2) };
};

const height = 480;

/** Training (line) and validation (points) error of some runs, as RMSE over all bands. */
export const lossCurves = (
  curves: readonly LossCurve[],
  title = 'Training (lines) and validation (circles) error',
): Figure => ({
  data: curves.flatMap(({ label, epochs, train, validated, val }, i) => [
    {
      type: 'scatter',
      mode: 'lines',
      name: label,
      legendgroup: label,
      x: [...epochs],
      y: train.map(rmse),
      line: { color: seriesColour(i), width: 1.5 },
      hovertemplate: 'epoch %{x}: %{y:.1f}<extra>%{fullData.name}</extra>',
    },
    {
      type: 'scatter',
      mode: 'markers',
      name: `${label}, validation`,
      legendgroup: label,
      showlegend: false,
      x: [...validated],
      y: val.map(rmse),
      marker: { color: seriesColour(i), size: 7, symbol: 'circle-open' },
      hovertemplate: 'epoch %{x}: %{y:.1f}<extra>%{fullData.name}</extra>',
    },
  ]),
  layout: themed({
    title,
    width: 760,
    height,
    xaxis: { title: { text: 'epoch' } },
    yaxis: { title: { text: inReflectance('RMSE over all bands') }, ...errorAxis(curves) },
    ...legendAbove(height),
  }),
});
