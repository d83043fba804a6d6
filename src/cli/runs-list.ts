import { listRuns } from '../training/list-runs.js';
import type { Command } from './command.js';
import { outputOption, text } from './options.js';

export const command: Command = {
  path: ['runs', 'list'],
  summary: 'the runs under the folder of runs',
  options: outputOption,
  run: async (call) => {
    const runs = await listRuns(text(call, 'output-dir'), call.note);
    if (runs.length === 0) call.note(`no runs under ${text(call, 'output-dir')}`);
    for (const { folder, experiment, result } of runs) {
      const scores = result
        ? result.scores.test.bands.map(({ rmse }) => rmse.toFixed(1)).join(' ')
        : 'not finished';
      call.print(`${folder.tag.padEnd(28)} ${experiment.model.kind.padEnd(20)} ${scores}`);
    }
    call.json(
      runs.map(({ folder, experiment, result }) => ({
        tag: folder.tag,
        name: experiment.name,
        kind: experiment.model.kind,
        finished: result?.finished ?? null,
        rmse: result?.scores.test.bands.map(({ rmse }) => rmse) ?? null,
      })),
    );
  },
};
