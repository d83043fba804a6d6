/**
 * Everything that results/full is made of: both recipes with and without TV loss and conv module, the switches of our own
 * recipe turned back one at a time, five seeds of each; and one run as long as the paper's.
 *
 * Reaches: see results/full/README.md.
 * Costs: some 130 minutes of one core; `bandalign reproduce --full` begins with what it takes on the machine at hand.
 * Run: npx bandalign reproduce --full
 */
import { defineSweep } from 'bandalign';
import { bounds, closedModels } from './closed-forms.js';
import { ownRecipe } from './demo/recipe.js';
import published from './paper/unet-lut.js';
import publishedConv from './paper/unet-lut-conv.js';
import publishedConvTv from './paper/unet-lut-conv-tv.js';
import publishedTv from './paper/unet-lut-tv.js';

// its 24 epochs leave the rows with a conv module or with penalties unfinished
const own = { ...ownRecipe, train: { ...ownRecipe.train, epochs: 60 } };
const conv = { ...own, model: { ...own.model, conv: true } };
const penalties = { loss: { tv: 0.01, monotonicity: 0.01 } };
const withUnet = (unet: object) => ({
  ...own,
  model: { ...own.model, unet: { ...own.model.unet, ...unet } },
});

const variants = {
  published,
  'published-tv': publishedTv,
  'published-conv': publishedConv,
  'published-conv-tv': publishedConvTv,
  own,
  'own-tv': { ...own, ...penalties },
  'own-conv': conv,
  'own-conv-tv': { ...conv, ...penalties },
  'own-absolute': withUnet({ output: 'absolute' }),
  'own-batch-norm': withUnet({ norm: 'batch' }),
  'own-share': withUnet({ input: 'share' }),
  'own-constant': { ...own, train: { ...own.train, schedule: 'constant', ema: 0 } },
} as const;

const labels: Record<string, string> = {
  published: 'UNet-LUT (published)',
  'published-tv': 'UNet-LUT + TV (published)',
  'published-conv': 'UNet-LUT + conv (published)',
  'published-conv-tv': 'UNet-LUT + conv + TV (published)',
  own: 'UNet-LUT (own)',
  'own-tv': 'UNet-LUT + TV (own)',
  'own-conv': 'UNet-LUT + conv (own)',
  'own-conv-tv': 'UNet-LUT + conv + TV (own)',
  'own-absolute': 'own, without correction',
  'own-batch-norm': 'own, without group norm',
  'own-share': 'own, without root of histogram',
  'own-constant': 'own, without cosine and average',
};

/**
 * As many steps as 200 epochs of the paper's 4 383 patches: 2 213 epochs of the demo's 99. The first validation, from which
 * batch norm stands still, comes after as many steps too: 55 epochs.
 */
const paperSteps = {
  ...published,
  name: 'published-219000-steps',
  seed: 1,
  train: { ...published.train, epochs: 2213, validateEvery: 55, checkpointEvery: 55 },
};

export default defineSweep({
  name: 'full',
  description: 'TV loss × conv module × recipe, each by its own budget',
  base: { model: { kind: 'unet-lut' } },
  grid: { recipe: variants },
  seeds: [1, 2, 3, 4, 5],
  references: [...closedModels, 'demo/recommended', paperSteps, ...bounds],
  baseline: 'global-lut',
  labels: ({ recipe }) => labels[recipe],
});
