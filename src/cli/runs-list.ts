import { basename } from 'node:path';
import { meanRmse } from '../evaluation/tile-record.js';
import { listRuns, type StoredRun } from '../training/list-runs.js';
import { readRunState, runStatus } from '../training/run-state.js';
import type { Command } from './command.js';
import { outputOption, text } from './options.js';

/** A date and time of this place, to the minute. */
const minute = (iso: string | null): string | null => {
  if (iso === null) return null;
  const date = new Date(iso);
  const local = new Date(date.getTime() - 60_000 * date.getTimezoneOffset());
  return local.toISOString().slice(0, 16).replace('T', ' ');
};

const row = async ({ folder, experiment, result }: StoredRun) => {
  const state = result ? null : await readRunState(folder.folder);
  const { status, ended } = await runStatus(folder, result, state);
  const root = result?.data.root ?? state?.data.root;
  return {
    tag: folder.tag,
    name: experiment.name,
    kind: experiment.model.kind,
    model: experiment.model.conv ? `${experiment.model.kind}+conv` : experiment.model.kind,
    dataset: root === undefined ? null : basename(root),
    status,
    ended,
    finished: result?.finished ?? null,
    seconds: result?.seconds ?? null,
    rmse: result?.scores.test.bands.map(({ rmse }) => rmse) ?? null,
    meanRmse: result ? meanRmse(result.scores.test) : null,
  };
};

export const command: Command = {
  path: ['runs', 'list'],
  summary: 'list runs: model, dataset, status, when they finished, mean test RMSE',
  examples: ['runs list', 'runs list --output-dir outputs/demo --json'],
  options: outputOption,
  run: async (call) => {
    const outputDir = text(call, 'output-dir')!;
    const rows = await Promise.all((await listRuns(outputDir, call.note)).map(row));
    call.json(rows);
    if (rows.length === 0) return call.note(`no runs under ${outputDir}`);
    call.table(
      {
        caption: '',
        columns: [
          ...['tag', 'model', 'dataset', 'status', 'finished'].map((label) => ({ label })),
          { label: 'seconds', digits: 1 },
          { label: 'mean RMSE', digits: 2 },
        ],
        rows: rows.map((run) => ({
          cells: [
            run.tag,
            run.model,
            run.dataset,
            run.status,
            minute(run.finished),
            run.seconds,
            run.meanRmse,
          ],
        })),
      },
      'text',
    );
  },
};
