import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { chosen } from '../config/spelling.js';
import { restoreExperiment } from '../experiments/experiment.js';
import { loadDefinitions } from '../experiments/load.js';
import { Fault } from '../fault.js';
import { exists } from '../files.js';
import { modelOf } from '../models/index.js';
import { noSuchRun } from '../training/list-runs.js';
import { runFolder } from '../training/run-folder.js';
import type { Call, Command } from './command.js';
import {
  backendOption,
  dataOptions,
  modelOption,
  outputOption,
  required,
  setOption,
  settings,
  text,
} from './options.js';
import { scoreLines, testDocument } from './score-lines.js';

/** `best`, `last`, `12`, or the original's `epochs_12.pth` in a run's folder. */
const checkpointOf = async (tag: string, name: string, outputDir: string | undefined): Promise<string> => {
  const folder = runFolder(tag, outputDir);
  const number = /^(?:epochs?[_-])?0*(\d+)(?:\.(?:pth|safetensors))?$/.exec(name)?.[1];
  const path =
    name === 'best' || name === 'last'
      ? folder[name]
      : number === undefined
        ? null
        : folder.epoch(Number(number));
  if (path === null || !(await exists(path)))
    throw new Fault(
      `--checkpoint: ${name} of run ${tag}; best, last or a kept epoch under ${folder.checkpoints}`,
    );
  return path;
};

/** Whether a run's model keeps weights; a bound, which is fitted on what it is tested on, keeps none. */
const keepsWeights = async (tag: string, outputDir: string | undefined): Promise<boolean> => {
  const stored = await readFile(runFolder(tag, outputDir).experiment, 'utf8').catch(() => null);
  if (stored === null) throw new Fault(await noSuchRun('--run', tag, outputDir));
  const { network, tensors } = modelOf(restoreExperiment(JSON.parse(stored)));
  return network !== undefined || tensors !== undefined;
};

/** The weights file that the call names; null for a run whose model keeps none. */
const weightsOf = async (call: Call): Promise<string | null> => {
  const [weights, outputDir] = [text(call, 'weights'), text(call, 'output-dir')];
  const tag = text(call, 'run') ?? text(call, 'tag');
  if (weights !== undefined && (tag === undefined || (await exists(weights)))) return weights;
  if (tag === undefined)
    throw new Fault('call: neither --run nor --weights; give --run TAG or --weights FILE');
  if (!(await keepsWeights(tag, outputDir))) return null;
  return checkpointOf(tag, weights ? basename(weights) : (text(call, 'checkpoint') ?? 'best'), outputDir);
};

export const command: Command = {
  path: ['test'],
  summary: 'score a run or a weights file (.safetensors, or the .pth of the original)',
  examples: [
    'test --run mine --data DIR',
    'test --run mine --checkpoint last --split val --data DIR --json',
    'test --weights epochs_195.pth --data DIR',
  ],
  options: {
    ...dataOptions,
    ...setOption,
    ...backendOption,
    ...outputOption,
    ...modelOption,
    run: { type: 'string', value: 'TAG', help: 'a run under the folder of runs' },
    checkpoint: { type: 'string', value: 'best|last|N', help: 'which of its checkpoints (default best)' },
    weights: { type: 'string', value: 'FILE', help: 'a weights file instead of a run' },
    tag: { type: 'string', value: 'TAG', help: 'the same as --run (as the original calls it)' },
    split: { type: 'string', value: 'test|val|train', default: 'test', help: 'which list' },
  },
  run: async (call) => {
    const split = chosen('--split', text(call, 'split')!, ['test', 'val', 'train']);
    const root = required(call, 'data');
    const model = text(call, 'model');
    if (model !== undefined) await loadDefinitions(model);
    const weights = await weightsOf(call);
    const { testExperiment, testWeights } = await import('../training/test-weights.js');
    const options = {
      root,
      divide: text(call, 'divide'),
      split,
      words: settings(call),
      onProgress: call.progress,
      onNote: call.note,
      signal: call.signal,
    } as const;
    const { experiment, score } =
      weights === null
        ? await testExperiment({
            ...options,
            experimentFile: runFolder(text(call, 'run') ?? text(call, 'tag')!, text(call, 'output-dir'))
              .experiment,
          })
        : await testWeights({ ...options, weights });
    call.print(scoreLines(`${weights ?? experiment.model.kind} on ${split}`, experiment, score));
    call.json(testDocument(experiment, score, split, weights));
  },
};
