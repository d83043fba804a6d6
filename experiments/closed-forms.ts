/**
 * All models in closed form on one dataset, each beside the strongest of those that were there before ours.
 *
 * Reaches: see results/full/seeds.md, of six datasets, and docs/real-pairs.md.
 * Costs: two minutes on the demo data.
 * Run: npx bandalign sweep experiments/closed-forms.ts --data DIR
 */
import { defineSweep } from 'bandalign';

/** Models in closed form but ours, in the order of the tables. */
export const closedModels = [
  'demo/identity',
  'demo/linear',
  'demo/histogram-matching',
  'demo/global-lut',
  'demo/multi-linear',
  'demo/multi-cubic',
  'demo/kernel-lut',
  'demo/kernel-linear',
];

/** Bounds: they see the target of the tiles that they are tested on. */
export const bounds = ['demo/cross-fitted-lut', 'demo/cross-fitted-linear', 'demo/oracle'];

/** Every row in closed form but ours. */
export const closedForms = [...closedModels, ...bounds];

export default defineSweep({
  name: 'closed-forms',
  description: 'Models in closed form',
  base: 'demo/recommended',
  references: closedForms,
  baseline: 'kernel-linear',
});
