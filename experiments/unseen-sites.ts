/**
 * How models do on regions that training has not seen: leave-one-region-out, each tile scored by the model that did not
 * train on its region. The published lists share site and day between training and test for most patches.
 *
 * Reaches: run it; no number of it is committed.
 * Costs: trainings = seeds × regions × 2; `--dry-run` tells what that takes here. For another number of regions change
 * the list of folds; `--set split.by=date` leaves days out instead.
 * Run: npx bandalign sweep experiments/unseen-sites.ts --data DIR
 */
import { defineSweep } from 'bandalign';
import { ownRecipe } from './demo/recipe.js';

export default defineSweep({
  name: 'unseen-sites',
  description: 'Leave one region out',
  base: { ...ownRecipe, split: { by: 'site' } },
  grid: { 'split.fold': [0, 1, 2], 'model.conv': [false, true] },
  seeds: [1, 2, 3],
  references: [
    'demo/linear',
    'demo/global-lut',
    'demo/multi-cubic',
    'demo/kernel-lut',
    'demo/kernel-linear',
    'demo/recommended',
    'demo/cross-fitted-linear',
    'demo/oracle',
  ],
  baseline: 'global-lut',
  labels: ({ conv }) => (conv === 'true' ? 'UNet-LUT + conv' : 'UNet-LUT'),
});
