import { dirname, resolve } from 'node:path';
import { Fault } from '../fault.js';
import { reasonsOf } from '../sweeps/failure.js';
import { readManifest } from '../sweeps/manifest.js';
import { runTrial } from '../sweeps/run-trial.js';
import { taskSpeaker } from '../sweeps/task-message.js';
import type { Command } from './command.js';
import { required, several, trackerOf, trackOption } from './options.js';

export const command: Command = {
  path: ['run-trial'],
  hidden: true,
  summary: 'run trials of a sweep that was submitted (what its executors call)',
  options: {
    ...trackOption,
    manifest: { type: 'string', value: 'FILE', help: "the sweep's manifest.json" },
    index: { type: 'string', multiple: true, value: 'N', help: 'position of the trial; repeatable' },
  },
  run: async (call) => {
    // a sweep that was killed takes its workers along: they go on when it is resumed
    process.on('disconnect', () => process.exit(1));
    const say = taskSpeaker();
    const path = resolve(required(call, 'manifest'));
    const manifest = await readManifest(path);
    if (!manifest) throw new Fault(`--manifest: ${path}; no such file`);
    const trials = several(call, 'index').map((index) => {
      const trial = manifest.trials[Number(index)];
      if (!trial) throw new Fault(`--index: ${index}; one of 0 to ${manifest.trials.length - 1}`);
      return trial;
    });
    const tracker = await trackerOf({ ...call, note: (text) => void say({ kind: 'note', text }) });
    let failed = false;
    try {
      for (const trial of trials) {
        call.signal.throwIfAborted();
        try {
          await runTrial({
            manifest,
            folder: dirname(path),
            trial,
            tracker,
            onProgress: (progress) => {
              void say({ kind: 'progress', progress });
              if (!process.send) call.progress(progress);
            },
            onNote: (text) => void say({ kind: 'note', text }),
            signal: call.signal,
          });
          await say({ kind: 'finished' });
        } catch (error) {
          if (call.signal.aborted) throw error;
          failed = true;
          await say({ kind: 'failed', reasons: reasonsOf(error) });
          if (!(error instanceof Fault) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
        }
      }
    } finally {
      await tracker?.close();
    }
    if (failed) process.exitCode = 1;
  },
};
