/**
 * Which part of our recipe brings what: each of its switches turned back by itself, beside the whole.
 *
 * Reaches: run it; no number of it is committed.
 * Costs: 15 trainings of 24 epochs; `--dry-run` tells what that takes here.
 * Run: npx bandalign sweep experiments/recipe-ablation.ts --data DIR
 */
import { defineSweep } from 'bandalign';
import { ownRecipe } from './demo/recipe.js';

export default defineSweep({
  name: 'recipe-ablation',
  description: 'Switches of the recipe, one turned back at a time',
  base: ownRecipe,
  grid: {
    without: {
      nothing: {},
      correction: { model: { unet: { output: 'absolute' } } },
      'group norm': { model: { unet: { norm: 'batch' } } },
      'root of histogram': { model: { unet: { input: 'share' } } },
      'cosine and average': { train: { schedule: 'constant', ema: 0 } },
    },
  },
  seeds: [1, 2, 3],
  references: [
    'demo/global-lut',
    'demo/multi-cubic',
    'demo/kernel-lut',
    'demo/kernel-linear',
    'demo/recommended',
    'demo/cross-fitted-linear',
    'demo/oracle',
  ],
  baseline: 'without nothing',
  labels: ({ without }) => `without ${without}`,
});
