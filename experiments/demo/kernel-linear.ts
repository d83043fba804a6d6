/**
 * A linear mapping of all bands for each tile by kernel ridge regression from its histograms, alone and of pairs of bands.
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: half a minute on the demo data.
 * Run: npx bandalign train demo/kernel-linear --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'kernel-linear',
  model: { kind: 'kernel-linear' },
});
