import { gapClosed } from '../evaluation/comparison-table.js';
import type { Score } from '../evaluation/tile-record.js';
import { meanRmse } from '../evaluation/tile-record.js';
import type { Experiment } from '../experiments/experiment.js';
import type { GapEnds } from './gap-ends.js';
import type { RunResult } from './result.js';
import type { RunState } from './run-state.js';

const number = (value: unknown): string =>
  typeof value === 'number' && Number.isFinite(value) ? String(Number(value.toPrecision(4))) : '–';

const headings: Readonly<Record<string, string>> = { rmse: 'RMSE', r2: 'R²', mae: 'MAE', bias: 'bias' };

/** Metrics as rows, bands as columns. */
const scoreTable = (score: Score, bands: readonly string[]): string => {
  const columns = [...bands, ...(score.ndvi ? ['NDVI'] : [])];
  const rows = Object.keys(score.bands[0] ?? {})
    .filter((metric) => metric !== 'n')
    .map((metric) => {
      const of = (entry: object): string => number((entry as Record<string, unknown>)[metric]);
      const cells = [...score.bands.map(of), ...(score.ndvi ? [of(score.ndvi)] : [])];
      return `| ${headings[metric] ?? metric} | ${cells.join(' | ')} |`;
    });
  return [`| test | ${columns.join(' | ')} |`, `|---|${'---:|'.repeat(columns.length)}`, ...rows].join('\n');
};

const code = (words: readonly string[]): string =>
  `\`\`\`\n${words.map((word) => (/[\s'"]/.test(word) ? `'${word}'` : word)).join(' ')}\n\`\`\``;

const data = (given: RunState['data']): string =>
  `Data: ${given.root}, ${given.train} patches to train, ${given.val} to validate, ${given.test} to test.`;

/** What a run was and how it came out, in Markdown: its command, data and table of scores. */
export const describeRun = (
  experiment: Experiment,
  argv: readonly string[],
  result: RunResult | null,
  gap: GapEnds | null,
  state: RunState | null,
): string => {
  const given = state?.data ?? result?.data;
  const error = result && meanRmse(result.scores.test);
  const parts = [
    experiment.description,
    argv.length > 1 ? code(['bandalign', ...argv]) : '',
    given ? data(given) : '',
    result ? scoreTable(result.scores.test, experiment.data.bands) : '',
    result && error !== null
      ? `Mean RMSE ${number(error)}${gap ? `; gap closed ${number(100 * gapClosed(error, gap.reference, gap.bound))} % (0 % the global LUT, 100 % the oracle)` : ''}; ${number(result.seconds)} s.`
      : '',
    state?.ended ? `${state.ended.status === 'failed' ? 'Failed' : 'Stopped'}: ${state.ended.reason}` : '',
  ];
  return parts.filter(Boolean).join('\n\n');
};

/** A sweep's description and its rows, in Markdown. */
export const describeSweep = ({
  description,
  data: { root },
  trials,
}: {
  description: string;
  data: { root: string };
  trials: readonly { label: string }[];
}): string => {
  const rows = [...new Set(trials.map(({ label }) => label))].map((label) => `- ${label}`);
  const head = [description, `Data: ${root}, ${trials.length} runs.`].filter(Boolean);
  return [...head, rows.join('\n')].join('\n\n');
};
