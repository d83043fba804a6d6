/**
 * All models in closed form on one dataset, each beside the strongest of those that were there before ours.
 *
 * Reaches: see results/full/seeds.md, of six datasets, and docs/real-pairs.md.
 * Costs: two minutes on the demo data.
 * Run: npx bandalign sweep experiments/closed-forms.ts --data DIR
 */
import { defineSweep } from 'bandalign';

/** Every row in closed form but ours, as the table has them. */
export const closedForms = [
  'demo/identity',
  'demo/linear',
  'demo/histogram-matching',
  'demo/global-lut',
  'demo/multi-linear',
  'demo/multi-cubic',
  'demo/kernel-lut',
  'demo/kernel-linear',
  'demo/cross-fitted-lut',
  'demo/cross-fitted-linear',
  'demo/oracle',
];

export default defineSweep({
  name: 'closed-forms',
  description: 'Models in closed form',
  base: 'demo/recommended',
  references: closedForms,
  baseline: 'kernel-linear',
});
