/**
 * Real images: Sentinel-2A and Sentinel-2B over Tanzania, six dates, each left out once. Two instruments of one design, days to
 * two years apart: there is next to no band-pass difference to align, and much that no mapping can.
 *
 * Reaches: see docs/real-pairs.md, which says where the data are from.
 * Costs: a minute.
 * Run: npx bandalign sweep experiments/real-pairs.ts --data DIR
 */
import { defineSweep } from 'bandalign';
import { closedForms } from './closed-forms.js';
import recommended from './demo/recommended.js';

export default defineSweep({
  name: 'real-pairs',
  description: 'Sentinel-2A to Sentinel-2B, Tanzania, one date left out at a time',
  base: { ...recommended, split: { by: 'date' } },
  grid: { 'split.fold': [0, 1, 2, 3, 4, 5] },
  references: [...closedForms, 'demo/unet-lut'],
  baseline: 'identity',
  labels: () => 'recommended',
});
