import type { Metrics, Score } from '../evaluation/tile-record.js';
import type { Experiment } from '../experiments/experiment.js';
import { isBuiltInMetric, metrics } from '../metrics/index.js';
import { digitsOf, type Metric } from '../metrics/metric.js';

/** `R²` as `R2`: not every terminal has the sign. */
const headingOf = ({ label }: Metric): string => label.normalize('NFKC');

const widthOf = (metric: Metric): number => Math.max(10, headingOf(metric).length + 1);

/** A score as lines for a terminal: a line for each band, one for NDVI. */
export const scoreLines = (title: string, { data }: Experiment, score: Score): string => {
  const shown = metrics();
  const line = (label: string, cells: string[]): string =>
    label.padEnd(8) + cells.map((cell, m) => cell.padStart(widthOf(shown[m]))).join('');
  const values = (label: string, channel: string, of: Metrics): string =>
    line(
      label,
      shown.map((metric) => {
        const value = of[metric.name];
        return Number.isFinite(value) ? value.toFixed(digitsOf(metric, channel, 'line')) : '–';
      }),
    );
  return [
    `${title}, ${score.n} valid pixels`,
    line('band', shown.map(headingOf)),
    ...score.bands.map((of, band) => values(data.bands[band], data.bands[band], of)),
    ...(score.ndvi ? [values('ndvi', 'NDVI', score.ndvi)] : []),
  ].join('\n');
};

/** What `test --json` prints. Metrics that a person defined come last. */
export const testDocument = (
  { data, model }: Experiment,
  score: Score,
  split: string,
  weights: string | null,
): Record<string, unknown> => {
  const builtIn = metrics().filter(({ name }) => isBuiltInMetric(name));
  const own = metrics().filter(({ name }) => !isBuiltInMetric(name));
  const perBand = (chosen: readonly Metric[]): Record<string, number[]> =>
    Object.fromEntries(chosen.map(({ name }) => [name, score.bands.map((band) => band[name])]));
  const ofNdvi = (chosen: readonly Metric[]): Metrics =>
    Object.fromEntries(chosen.map(({ name }) => [name, score.ndvi![name]]));
  return {
    n: score.n,
    bands: data.bands,
    ...perBand(builtIn),
    ndvi: score.ndvi && {
      ...ofNdvi(builtIn),
      n: score.ndvi['n'],
      skipped: score.ndvi['skipped'],
      ...ofNdvi(own),
    },
    split,
    model: model.conv ? `${model.kind}+conv` : model.kind,
    weights,
    ...perBand(own),
  };
};
