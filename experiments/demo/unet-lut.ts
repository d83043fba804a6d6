/**
 * Tile-adaptive LUTs from a 1-D UNet: our recipe (a correction to the global LUT, group norm, cosine schedule, averaged weights).
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: a minute on the demo data, 2 cores.
 * Run: npx bandalign train demo/unet-lut --data DIR
 */
import { defineExperiment } from 'bandalign';
import { ownRecipe } from './recipe.js';

export default defineExperiment({
  ...ownRecipe,
  name: 'unet-lut',
  model: { ...ownRecipe.model, conv: false },
  // after 24 epochs, which rows with a conv module are given, some seeds are at their end and some are not
  train: { ...ownRecipe.train, epochs: 60 },
});
