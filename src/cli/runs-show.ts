import { flatten } from '../config/override.js';
import { resolveExperiment } from '../experiments/experiment.js';
import { Fault } from '../fault.js';
import { noSuchRun, readRun } from '../training/list-runs.js';
import { readRunState, runStatus } from '../training/run-state.js';
import type { Command } from './command.js';
import { oneWord, outputOption, text } from './options.js';
import { scoreLines } from './score-lines.js';

const lines = (entries: readonly (readonly [string, string | null | undefined])[]): string => {
  const shown = entries.filter((entry): entry is [string, string] => !!entry[1]);
  const width = Math.max(...shown.map(([name]) => name.length)) + 2;
  return shown.map(([name, value]) => name.padEnd(width) + value).join('\n');
};

export const command: Command = {
  path: ['runs', 'show'],
  words: 'TAG',
  summary: 'show one run: status, data, the settings that are not the defaults, scores',
  examples: ['runs show mine'],
  options: outputOption,
  run: async (call) => {
    const tag = oneWord(call, 'tag');
    const outputDir = text(call, 'output-dir');
    const run = await readRun(tag, outputDir);
    if (!run) throw new Fault(await noSuchRun('run', tag, outputDir));
    const { folder, experiment, result } = run;
    const state = await readRunState(folder.folder);
    const { status, ended } = await runStatus(folder, result, state);
    const data = result?.data ?? state?.data;
    const training = result?.training;
    call.print(
      lines([
        ['run', folder.folder],
        ['status', ended === null ? status : `${status} ${ended}`],
        ['reason', result ? null : state?.ended?.reason],
        ['about', experiment.description],
        [
          'data',
          data && `${data.root}: ${data.train} to train, ${data.val} to validate, ${data.test} to test`,
        ],
        [
          'training',
          training && `${training.epochs} epochs, ${training.steps} steps, best ${training.bestEpoch}`,
        ],
        ['seconds', result?.seconds.toFixed(1)],
        ['weights', result?.weights?.file],
      ]),
    );
    const defaults = flatten(resolveExperiment({}));
    const changed = Object.entries(flatten(experiment)).filter(
      ([key, value]) => value !== defaults[key] && key !== 'description',
    );
    call.print(
      `\nsettings (those that are not the defaults)\n${lines(changed.map(([key, value]) => [`  ${key}`, value]))}`,
    );
    if (result) {
      call.print(`\n${scoreLines('validation', experiment, result.scores.val)}`);
      call.print(`\n${scoreLines('test', experiment, result.scores.test)}`);
    } else if (status !== 'running') call.print('\nnot finished: train --resume continues it');
    call.json({ folder: folder.folder, status, ended, experiment, result });
  },
};
