import type { Command } from './command.js';

/** Every command by what is typed, loaded only when called: start-up stays fast. */
export const commands: Record<string, () => Promise<{ command: Command }>> = {
  apply: async () => import('./apply.js'),
  backends: async () => import('./backends.js'),
  train: async () => import('./train.js'),
  test: async () => import('./test.js'),
  'runs list': async () => import('./runs-list.js'),
  'runs show': async () => import('./runs-show.js'),
  'runs compare': async () => import('./runs-compare.js'),
  sweep: async () => import('./sweep.js'),
  'run-trial': async () => import('./run-trial.js'),
  reproduce: async () => import('./reproduce.js'),
  'dataset pack': async () => import('./dataset-pack.js'),
  'dataset check': async () => import('./dataset-check.js'),
  'dataset synth': async () => import('./dataset-synth.js'),
  temporal: async () => import('./temporal.js'),
  'temporal masks': async () => import('./temporal-masks.js'),
  'temporal simulate': async () => import('./temporal-simulate.js'),
  'kernel install': async () => import('./kernel-install.js'),
  'kernel path': async () => import('./kernel-path.js'),
  'notebook export': async () => import('./notebook-export.js'),
  'notebook run': async () => import('./notebook-run.js'),
  'track sync': async () => import('./track-sync.js'),
  'track where': async () => import('./track-where.js'),
};
