import type { Figure, Trace } from '../figure.js';
import { legendAbove } from '../panels.js';
import { okabeIto, themed } from '../theme.js';

/** Source − target of two observations of one place. */
export interface DifferencePair {
  /** `YYYY-MM-DD`. */
  date: string;
  before: number;
  after: number;
}

const rms = (values: readonly number[]): string =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length).toFixed(3);

const height = 420;

/**
 * Source − target of pairs of observations over time, before and after alignment, with the RMS of each.
 *
 * @param quantity for example `NDVI`
 */
export const seriesDifference = (
  pairs: readonly DifferencePair[],
  quantity: string,
  {
    source = 'S2',
    target = 'GF1',
    title = `${quantity} of two sensors`,
  }: { source?: string; target?: string; title?: string } = {},
): Figure => {
  const trace = (name: string, values: number[], marker: Trace['marker']): Trace => ({
    type: 'scatter',
    mode: 'markers',
    name: `${name} (RMS ${rms(values)})`,
    x: pairs.map(({ date }) => date),
    y: values,
    marker,
    hovertemplate: '%{x}: %{y:+.3f}<extra>%{fullData.name}</extra>',
  });
  return {
    data: [
      trace(
        'before',
        pairs.map(({ before }) => before),
        { color: okabeIto.blue, size: 8, symbol: 'circle-open', line: { width: 1.5 } },
      ),
      trace(
        'aligned',
        pairs.map(({ after }) => after),
        { color: okabeIto.vermillion, size: 7, symbol: 'diamond' },
      ),
    ],
    layout: themed({
      title,
      height,
      xaxis: { type: 'date', title: { text: 'date [UTC]' } },
      yaxis: {
        zeroline: true,
        zerolinecolor: '#999999',
        title: { text: `${quantity}, ${source} − ${target}` },
      },
      ...legendAbove(height),
    }),
  };
};
