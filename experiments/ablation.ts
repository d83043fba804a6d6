/**
 * What the total variation loss, the conv module and the recipe each bring: all eight combinations with five seeds, beside
 * the baselines and the oracle.
 *
 * Reaches: see results/ablation.md, which `npm run reproduce` writes in its short form (ablation-short.ts).
 * Costs: 40 trainings of 24 epochs on the demo data; `--dry-run` tells what that takes here.
 * Run: npx bandalign sweep experiments/ablation.ts --data DIR [--jobs N]
 */
import { defineSweep } from 'bandalign';
import { ownRecipe } from './demo/recipe.js';

const { epochs: ownEpochs, ...ownTrain } = ownRecipe.train;

/** The sweep with other seeds or a smaller budget: what its short form is made from. */
export const ablation = (name: string, seeds: readonly number[], epochs: number = ownEpochs) =>
  defineSweep({
    name,
    description: 'TV loss × conv module × recipe',
    base: { model: { kind: 'unet-lut' }, train: { epochs } },
    grid: {
      recipe: {
        // as the published program trains
        published: { train: { batchNorm: 'published' } },
        own: { ...ownRecipe, train: ownTrain },
      },
      'model.conv': [false, true],
      tv: {
        off: { loss: { tv: 0, monotonicity: 0 } },
        on: { loss: { tv: 0.01, monotonicity: 0.01 } },
      },
    },
    seeds,
    references: [
      'demo/identity',
      'demo/linear',
      'demo/histogram-matching',
      'demo/global-lut',
      'demo/multi-cubic',
      'demo/kernel-lut',
      'demo/kernel-linear',
      'demo/recommended',
      'demo/cross-fitted-linear',
      'demo/oracle',
    ],
    baseline: 'global-lut',
    labels: ({ recipe, conv, tv }) =>
      ['UNet-LUT', conv === 'true' ? '+ conv' : '', tv === 'on' ? '+ TV' : '', `(${recipe})`]
        .filter(Boolean)
        .join(' '),
  });

export default ablation('ablation-full', [1, 2, 3, 4, 5]);
