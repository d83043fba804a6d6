import { dirname } from 'node:path';
import { loadSubmitted } from '../experiments/load.js';
import { Fault, linesOf } from '../fault.js';
import { applyListed } from '../sweeps/apply-listed.js';
import { writeFailure } from '../sweeps/failure.js';
import { readSceneManifest, sceneListFolder } from '../sweeps/scene-manifest.js';
import { taskSpeaker } from '../sweeps/task-message.js';
import { loadAligner } from '../training/load-weights.js';
import type { Command } from './command.js';
import { required } from './options.js';
import { namedTasks, tellFailure, workThrough } from './work-through.js';

export const command: Command = {
  path: ['apply-listed'],
  summary: 'align scenes of a list that was submitted (what its executors call)',
  examples: [],
  options: {
    manifest: { type: 'string', value: 'FILE', help: "the list's manifest" },
    index: { type: 'string', multiple: true, value: 'N', help: 'position of the scene; repeatable' },
  },
  run: async (call) => {
    const say = taskSpeaker();
    const path = required(call, 'manifest');
    const { weights, weightsDigest, settings, definitions, scenes } = await readSceneManifest(path);
    const tasks = namedTasks(call, scenes);
    const place = sceneListFolder(dirname(path));
    const load = async () => {
      await loadSubmitted(definitions ?? []);
      const aligner = await loadAligner(weights, settings);
      if (aligner.weightsDigest !== weightsDigest)
        throw new Fault(`weights: ${weights}; changed since the list was submitted, give it again`);
      return aligner;
    };
    const aligner = await load().catch(async (error: unknown) => {
      for (const task of tasks) await writeFailure(place.scene(task), linesOf(error));
      await tellFailure(say, error);
    });
    if (aligner)
      await workThrough(call, say, tasks, (task, ears) =>
        applyListed(place, task, { aligner, weights, ...ears }),
      );
  },
};
