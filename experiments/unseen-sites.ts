/**
 * How models do on regions that training has not seen: leave-one-region-out, each tile scored by the model that did not
 * train on its region. The published lists share site and day between training and test for most patches.
 *
 * Reaches: see results/full/unseen-sites.md.
 * Costs: ten minutes of one core on 500 tiles in four regions; for another number of regions change the folds.
 * Run: npx bandalign sweep experiments/unseen-sites.ts --data DIR
 */
import { defineSweep } from 'bandalign';
import { closedForms } from './closed-forms.js';
import { ownRecipe } from './demo/recipe.js';

/** The sweep over the folds of one way of leaving out. */
export const unseen = (name: string, description: string, split: object, folds: readonly number[]) =>
  defineSweep({
    name,
    description,
    base: { ...ownRecipe, name: 'unet-lut', split },
    grid: { 'split.fold': folds },
    seeds: [1, 2, 3],
    references: [...closedForms, 'demo/recommended'],
    baseline: 'global-lut',
    labels: () => 'UNet-LUT (own)',
  });

export default unseen('unseen-sites', 'One region left out at a time', { by: 'site' }, [0, 1, 2, 3]);
