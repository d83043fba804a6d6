import { dirname, resolve } from 'node:path';
import { loadSubmitted } from '../experiments/load.js';
import { Fault } from '../fault.js';
import { readManifest } from '../sweeps/manifest.js';
import { runTrial } from '../sweeps/run-trial.js';
import { taskSpeaker } from '../sweeps/task-message.js';
import type { Command } from './command.js';
import { required } from './options.js';
import { namedTasks, workThrough } from './work-through.js';

export const command: Command = {
  path: ['run-trial'],
  summary: 'run trials of a sweep that was submitted (what its executors call)',
  examples: [],
  options: {
    manifest: { type: 'string', value: 'FILE', help: "the sweep's manifest.json" },
    index: { type: 'string', multiple: true, value: 'N', help: 'position of the trial; repeatable' },
  },
  run: async (call) => {
    const say = taskSpeaker();
    const path = resolve(required(call, 'manifest'));
    const manifest = await readManifest(path);
    if (!manifest) throw new Fault(`--manifest: ${path}; no such file`);
    await loadSubmitted(manifest.trials.flatMap(({ experiment }) => experiment.definitions ?? []));
    const trials = namedTasks(call, manifest.trials);
    await workThrough(call, say, trials, (trial, ears) =>
      runTrial({ manifest, folder: dirname(path), trial, ...ears }),
    );
  },
};
