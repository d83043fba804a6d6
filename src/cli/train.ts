import { loadExperiment } from '../experiments/load.js';
import type { Command } from './command.js';
import {
  backendOption,
  dataOptions,
  destinationOf,
  flag,
  oneWord,
  outputOption,
  required,
  setOption,
  settings,
  text,
  trackOption,
} from './options.js';
import { scoreLines, testDocument } from './score-lines.js';

export const command: Command = {
  path: ['train'],
  words: 'EXPERIMENT',
  summary: 'fit a model and score it on the validation and test lists',
  examples: [
    'train demo/recommended --data DIR --tag mine',
    'train unet-lut --data DIR --set train.epochs=20 --set model.unet.width=16',
    'train ./mean-shift.ts --data DIR',
  ],
  options: {
    ...dataOptions,
    ...setOption,
    ...backendOption,
    ...outputOption,
    ...trackOption,
    tag: { type: 'string', value: 'NAME', help: "the run's name (default: the experiment's)" },
    resume: { type: 'boolean', help: 'continue an unfinished run from its last checkpoint' },
    overwrite: { type: 'boolean', help: 'remove a run of the same tag first' },
    'print-config': { type: 'boolean', help: 'print the resolved configuration and stop' },
  },
  run: async (call) => {
    const experiment = await loadExperiment(
      oneWord(call, 'experiment name or file'),
      settings(call),
      call.note,
    );
    if (flag(call, 'print-config')) {
      call.print(JSON.stringify(experiment, null, 2));
      call.json(experiment);
      return;
    }
    const tag = text(call, 'tag') ?? experiment.name;
    const root = required(call, 'data');
    const { runExperiment } = await import('../run-experiment.js');
    const { result, folder } = await runExperiment({
      experiment,
      root,
      divide: text(call, 'divide'),
      tag,
      outputDir: text(call, 'output-dir'),
      resume: flag(call, 'resume'),
      overwrite: flag(call, 'overwrite'),
      destination: await destinationOf(call),
      onProgress: call.progress,
      onNote: call.note,
      signal: call.signal,
    });
    call.print(
      scoreLines(`${result.tag} on ${result.data.test} test patches`, experiment, result.scores.test),
    );
    call.print(`run: ${folder}`);
    call.json({
      ...result,
      folder,
      test: testDocument(experiment, result.scores.test, 'test', result.weights?.file ?? null),
    });
  },
};
