import { dirname } from 'node:path';
import { Fault } from '../fault.js';
import { applyListed } from '../sweeps/apply-listed.js';
import { reasonsOf, writeFailure } from '../sweeps/failure.js';
import { readSceneManifest, sceneListFolder } from '../sweeps/scene-manifest.js';
import { taskSpeaker } from '../sweeps/task-message.js';
import { loadAligner } from '../training/aligner.js';
import type { Command } from './command.js';
import { required, several } from './options.js';

export const command: Command = {
  path: ['apply-listed'],
  hidden: true,
  summary: 'align scenes of a list that was submitted (what its executors call)',
  options: {
    manifest: { type: 'string', value: 'FILE', help: "the list's manifest" },
    index: { type: 'string', multiple: true, value: 'N', help: 'position of the scene; repeatable' },
  },
  run: async (call) => {
    // a list that was killed takes its workers along: what they leave unfinished is done when it is given again
    process.on('disconnect', () => process.exit(1));
    const say = taskSpeaker();
    const path = required(call, 'manifest');
    const { weights, weightsDigest, settings, scenes } = await readSceneManifest(path);
    const tasks = several(call, 'index').map((index) => {
      const task = scenes[Number(index)];
      if (!task) throw new Fault(`--index: ${index}; one of 0 to ${scenes.length - 1}`);
      return task;
    });
    const place = sceneListFolder(dirname(path));
    let failed = false;
    const fail = async (error: unknown): Promise<void> => {
      failed = true;
      await say({ kind: 'failed', reasons: reasonsOf(error) });
      if (!(error instanceof Fault) && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    };
    const load = async () => {
      const aligner = await loadAligner(weights, settings);
      if (aligner.weightsDigest !== weightsDigest)
        throw new Fault(`weights: ${weights}; changed since the list was submitted, give it again`);
      return aligner;
    };
    const aligner = await load().catch(async (error: unknown) => {
      for (const task of tasks) await writeFailure(place.scene(task), reasonsOf(error));
      await fail(error);
    });
    if (aligner)
      for (const task of tasks) {
        call.signal.throwIfAborted();
        try {
          await applyListed(place, task, {
            aligner,
            weights,
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
          await fail(error);
        }
      }
    if (failed) process.exitCode = 1;
  },
};
