import type { Figure } from './figure.js';
import { seriesColour } from './theme.js';

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

const axis = (title: string) =>
  ({ title: { text: title }, showline: true, ticks: 'outside', gridcolor: '#e5e5e5' }) as const;

/** Training (line) and validation (points) error of some runs, as RMSE over all bands. */
export const lossCurves = (curves: readonly LossCurve[]): Figure => ({
  data: curves.flatMap(({ label, epochs, train, validated, val }, i) => [
    {
      type: 'scatter',
      mode: 'lines',
      name: label,
      legendgroup: label,
      x: [...epochs],
      y: train.map(Math.sqrt),
      line: { color: seriesColour(i), width: 1.5 },
    },
    {
      type: 'scatter',
      mode: 'markers',
      name: `${label}, validation`,
      legendgroup: label,
      showlegend: false,
      x: [...validated],
      y: val.map(Math.sqrt),
      marker: { color: seriesColour(i), size: 7, symbol: 'circle-open' },
    },
  ]),
  layout: {
    title: { text: 'Training (lines) and validation (circles) error' },
    width: 760,
    height: 440,
    font: { family: 'Arial, Helvetica, sans-serif', size: 13 },
    paper_bgcolor: 'white',
    plot_bgcolor: 'white',
    xaxis: axis('epoch'),
    yaxis: { ...axis('RMSE over bands, reflectance × 10 000'), type: 'log' },
    legend: { x: 1, xanchor: 'right', y: 1 },
    margin: { l: 70, r: 20, t: 50, b: 55 },
  },
});
