import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** Traces of plotly's bundle for plane axes: a third of the whole, and all that the figures of this package need. */
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

/** The kinds of trace of a figure, each once. */
export const traceTypes = ({ data }: { data: readonly object[] }): string[] => [
  ...new Set(data.map((trace) => String((trace as { type?: unknown }).type ?? 'scatter'))),
];

/** The file of the smallest plotly that draws all of these figures: 1.5 MB, or 4.8 MB where one needs more. */
export const plotlyScript = (figures: readonly { data: readonly object[] }[]): string =>
  require.resolve(
    figures.flatMap(traceTypes).every((type) => cartesian.has(type))
      ? 'plotly.js-cartesian-dist-min/plotly-cartesian.min.js'
      : 'plotly.js-dist-min/plotly.min.js',
  );
