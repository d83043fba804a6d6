/**
 * Real ground spectra as Sentinel-2A and Landsat-8 see them: nothing differs but the band passes. Nine airborne images, each left
 * out once.
 *
 * Reaches: see docs/real-pairs.md, which says where the spectra are from.
 * Costs: a minute.
 * Run: npx bandalign sweep experiments/real-spectra.ts --data notebooks/data/refcube-s2a-landsat8
 */
import { defineSweep } from 'bandalign';
import { closedForms } from './closed-forms.js';
import recommended from './demo/recommended.js';

export default defineSweep({
  name: 'real-spectra',
  description: 'Sentinel-2A to Landsat-8, real spectra of nine airborne images, one image left out at a time',
  base: {
    ...recommended,
    data: {
      // above the largest value
      bandMax: [12000, 12000, 12000, 12000],
      // a column is an image; four patches each, so that bounds can be cross-fitted
      pair: { source: 'sentinel-2a.tif', target: 'landsat-8.tif', patch: [1, 250] },
    },
    split: { by: 'tile' },
  },
  grid: { 'split.fold': [0, 1, 2, 3, 4, 5, 6, 7, 8] },
  references: [...closedForms, 'demo/unet-lut'],
  baseline: 'identity',
  labels: () => 'recommended',
});
