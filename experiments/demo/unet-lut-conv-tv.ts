/**
 * Tile-adaptive LUTs from a 1-D UNet, the residual conv module behind them, total variation and monotonicity in the loss: our recipe (a correction to the global LUT, group norm, cosine schedule, averaged weights).
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: under a minute on the demo data, 2 cores.
 * Run: npx bandalign train demo/unet-lut-conv-tv --data DIR
 */
import { defineExperiment } from 'bandalign';
import { ownRecipe } from './recipe.js';

export default defineExperiment({
  ...ownRecipe,
  name: 'unet-lut-conv-tv',
  model: { ...ownRecipe.model, conv: true },
  loss: { tv: 0.01, monotonicity: 0.01 },
});
