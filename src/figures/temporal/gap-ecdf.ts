import type { Figure } from '../figure.js';
import { legendAbove } from '../panels.js';
import { seriesColour, themed } from '../theme.js';

/** The gaps of one set of sensors, days, over all tiles shown. */
export interface GapSeries {
  name: string;
  gaps: readonly number[];
  colour?: string;
}

/** The steps of an empirical distribution: values ascending and the share (%) of gaps that are no longer. */
export const ecdfSteps = (gaps: readonly number[]): { days: number[]; share: number[] } => {
  const sorted = Float64Array.from(gaps).sort();
  const days: number[] = [];
  const share: number[] = [];
  sorted.forEach((gap, index) => {
    if (index + 1 < sorted.length && sorted[index + 1] === gap) return;
    days.push(gap);
    share.push((100 * (index + 1)) / sorted.length);
  });
  return { days, share };
};

const height = 480;

/** Empirical distribution of the gaps between clear observations, a step line for each set of sensors. */
export const gapEcdf = (series: readonly GapSeries[], title = 'Gaps between clear observations'): Figure => ({
  data: series.map(({ name, gaps, colour }, index) => {
    const { days, share } = ecdfSteps(gaps);
    return {
      type: 'scatter',
      mode: 'lines',
      name: `${name} (${gaps.length} gaps)`,
      x: [0, ...days],
      y: [0, ...share],
      line: { shape: 'hv', color: colour ?? seriesColour(index), width: 2 },
      hovertemplate: '%{y:.1f} % of gaps are %{x} days or shorter<extra>%{fullData.name}</extra>',
    };
  }),
  layout: themed({
    title,
    height,
    xaxis: { title: { text: 'gap [days]' }, rangemode: 'tozero' },
    yaxis: { title: { text: 'gaps no longer than this [%]' }, range: [0, 101] },
    ...legendAbove(height),
  }),
});
