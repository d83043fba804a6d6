import type { Experiment } from '../experiments/experiment.js';
import type { Score } from '../evaluation/tile-record.js';

const number = (value: number, digits: number): string =>
  (Number.isFinite(value) ? value.toFixed(digits) : '–').padStart(10);

/** A score as lines for a terminal: a row per band and one for NDVI. */
export const scoreLines = (title: string, { data }: Experiment, score: Score): string => {
  const head = `${title}, ${score.n} valid pixels\n${'band'.padEnd(8)}${['RMSE', 'R2', 'MAE', 'bias'].map((name) => name.padStart(10)).join('')}`;
  const rows = score.bands.map(
    ({ rmse, r2, mae, bias }, band) =>
      data.bands[band].padEnd(8) + number(rmse, 2) + number(r2, 4) + number(mae, 2) + number(bias, 2),
  );
  const index = score.ndvi;
  if (index)
    rows.push(
      'ndvi'.padEnd(8) +
        number(index.rmse, 4) +
        number(index.r2, 4) +
        number(index.mae, 4) +
        number(index.bias, 4),
    );
  return [head, ...rows].join('\n');
};

/** What `test --json` prints (design: command line). */
export const testDocument = (
  { data, model }: Experiment,
  score: Score,
  split: string,
  weights: string | null,
): Record<string, unknown> => ({
  n: score.n,
  bands: data.bands,
  rmse: score.bands.map(({ rmse }) => rmse),
  r2: score.bands.map(({ r2 }) => r2),
  mae: score.bands.map(({ mae }) => mae),
  bias: score.bands.map(({ bias }) => bias),
  ndvi: score.ndvi && {
    rmse: score.ndvi.rmse,
    r2: score.ndvi.r2,
    mae: score.ndvi.mae,
    bias: score.ndvi.bias,
    n: score.ndvi.n,
    skipped: score.ndvi.skipped,
  },
  split,
  model: model.kind === 'unet-lut' && model.conv ? 'unet-lut+conv' : model.kind,
  weights,
});
