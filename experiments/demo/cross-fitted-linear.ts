/**
 * The error that a linear mapping of all bands for each tile can reach: fitted on one half of a tile's patches, scored on the
 * other; a bound, never a method.
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: closed form: seconds.
 * Run: npx bandalign train demo/cross-fitted-linear --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'cross-fitted-linear',
  model: { kind: 'cross-fitted-linear' },
});
