import type { Figure } from '../figure.js';
import { legendAbove } from '../panels.js';
import { seriesColour, themed } from '../theme.js';

/** Observations of each month that one segment of the stack stands for. */
export interface MonthSeries {
  name: string;
  counts: readonly number[];
  colour?: string;
}

const height = 480;

/** Observations per month, stacked: each bar's height is the number of days with an observation by any sensor. */
export const monthBars = (
  months: readonly string[],
  series: readonly MonthSeries[],
  title = 'Clear observations per month',
): Figure => ({
  data: series.map(({ name, counts, colour }, index) => ({
    type: 'bar',
    name,
    x: months,
    y: counts,
    marker: { color: colour ?? seriesColour(index) },
    hovertemplate: '%{x}: %{y:.1f} days<extra>%{fullData.name}</extra>',
  })),
  layout: themed({
    title,
    height,
    barmode: 'stack',
    xaxis: { title: { text: 'month' }, type: 'category' },
    yaxis: { title: { text: 'days with a clear observation [mean of tiles]' }, rangemode: 'tozero' },
    ...legendAbove(height),
  }),
});
