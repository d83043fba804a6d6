/**
 * The model to use: a linear mapping of all bands for each tile, by a Gaussian process over what tiles look like, about a mean
 * mapping of its own degree for each band. Chosen by the validation list alone; no seed, no training.
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: half a minute on the demo data.
 * Run: npx bandalign train demo/recommended --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'recommended',
  model: { kind: 'gp-linear' },
});
