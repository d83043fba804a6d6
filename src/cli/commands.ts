import type { Command } from './command.js';

/** Every command by what is typed, loaded only when called: start-up stays fast. */
export const commands: Record<string, () => Promise<{ command: Command }>> = {
  reproduce: async () => import('./reproduce.js'),
  'dataset synth': async () => import('./dataset-synth.js'),
  'dataset check': async () => import('./dataset-check.js'),
  'dataset pack': async () => import('./dataset-pack.js'),
  train: async () => import('./train.js'),
  test: async () => import('./test.js'),
  apply: async () => import('./apply.js'),
  'apply-listed': async () => import('./apply-listed.js'),
  sweep: async () => import('./sweep.js'),
  'run-trial': async () => import('./run-trial.js'),
  'runs list': async () => import('./runs-list.js'),
  'runs show': async () => import('./runs-show.js'),
  'runs compare': async () => import('./runs-compare.js'),
  'track sync': async () => import('./track-sync.js'),
  'track ui': async () => import('./track-ui.js'),
  'track where': async () => import('./track-where.js'),
  'notebook run': async () => import('./notebook-run.js'),
  'notebook export': async () => import('./notebook-export.js'),
  'kernel install': async () => import('./kernel-install.js'),
  'kernel path': async () => import('./kernel-path.js'),
  temporal: async () => import('./temporal.js'),
  'temporal masks': async () => import('./temporal-masks.js'),
  'temporal simulate': async () => import('./temporal-simulate.js'),
  backends: async () => import('./backends.js'),
};

/** Commands for programs, not for people: the help leaves them out. */
export const forPrograms: ReadonlySet<string> = new Set(['apply-listed', 'run-trial']);
