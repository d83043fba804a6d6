import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Trace types of plotly's cartesian bundle, a third of the whole; the figures of this package use no others. */
const cartesian = new Set([
  'bar',
  'box',
  'contour',
  'heatmap',
  'histogram',
  'histogram2d',
  'histogram2dcontour',
  'image',
  'pie',
  'scatter',
  'scatterternary',
  'violin',
]);

/** The distinct trace types of a figure. */
export const traceTypes = ({ data }: { data: readonly object[] }): string[] => [
  ...new Set(data.map((trace) => String((trace as { type?: unknown }).type ?? 'scatter'))),
];

/** Path of the smallest plotly bundle that draws all of these figures: 1.5 MB, or 4.8 MB. */
export const plotlyScript = (figures: readonly { data: readonly object[] }[]): string =>
  require.resolve(
    figures.flatMap(traceTypes).every((type) => cartesian.has(type))
      ? 'plotly.js-cartesian-dist-min/plotly-cartesian.min.js'
      : 'plotly.js-dist-min/plotly.min.js',
  );
