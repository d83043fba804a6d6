import { Fault } from '../fault.js';
import { readRun } from '../training/list-runs.js';
import type { Command } from './command.js';
import { oneWord, outputOption, text } from './options.js';
import { scoreLines } from './score-lines.js';

export const command: Command = {
  path: ['runs', 'show'],
  words: 'TAG',
  summary: 'one run: configuration, training and scores',
  options: outputOption,
  run: async (call) => {
    const tag = oneWord(call, 'tag');
    const run = await readRun(tag, text(call, 'output-dir'));
    if (!run) throw new Fault(`run: ${tag}; no such run under ${text(call, 'output-dir')}`);
    const { folder, experiment, result } = run;
    call.print(`run: ${folder.folder}`);
    call.print(JSON.stringify(experiment, null, 2));
    if (result) {
      call.print(scoreLines('validation', experiment, result.scores.val));
      call.print(scoreLines('test', experiment, result.scores.test));
    } else call.print('not finished: train --resume continues it');
    call.json({ folder: folder.folder, experiment, result });
  },
};
