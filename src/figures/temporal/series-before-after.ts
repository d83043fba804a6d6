import type { Figure, Trace } from '../figure.js';
import { legendAbove } from '../panels.js';
import { okabeIto, themed } from '../theme.js';

export interface PlottedSeries {
  name: string;
  dates: readonly string[];
  before: readonly number[];
  after: readonly number[];
}

const trace = (
  { name, dates }: PlottedSeries,
  values: readonly number[],
  colour: string,
  panel: '' | '2',
): Trace => ({
  type: 'scatter',
  mode: 'markers',
  name,
  legendgroup: name,
  showlegend: panel === '',
  x: dates,
  y: values,
  xaxis: `x${panel}`,
  yaxis: `y${panel}`,
  marker: { color: colour, size: 7, symbol: colour === okabeIto.blue ? 'circle' : 'diamond' },
  hovertemplate: '%{x}: %{y:.3f}<extra>%{fullData.name}</extra>',
});

const height = 560;

/** One place's series from two sensors, as they came (above) and with the first aligned to the second (below). */
export const seriesBeforeAfter = (
  source: PlottedSeries,
  target: PlottedSeries,
  quantity: string,
  title = 'Before and after alignment',
): Figure => ({
  data: [
    trace(source, source.before, okabeIto.blue, ''),
    trace(target, target.before, okabeIto.vermillion, ''),
    trace(source, source.after, okabeIto.blue, '2'),
    trace(target, target.after, okabeIto.vermillion, '2'),
  ],
  layout: themed({
    title,
    height,
    xaxis: { type: 'date', anchor: 'y', domain: [0, 1], matches: 'x2', showticklabels: false },
    yaxis: { domain: [0.54, 1], title: { text: `${quantity}, as acquired` } },
    xaxis2: { type: 'date', anchor: 'y2', domain: [0, 1], title: { text: 'date [UTC]' } },
    yaxis2: { domain: [0, 0.46], matches: 'y', title: { text: `${quantity}, aligned` } },
    ...legendAbove(height),
  }),
});
