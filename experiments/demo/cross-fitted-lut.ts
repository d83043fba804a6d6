/**
 * The error that LUTs of each tile can reach: fitted on one half of a tile's patches, scored on the other; a bound, never a
 * method.
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: closed form: seconds.
 * Run: npx bandalign train demo/cross-fitted-lut --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'cross-fitted-lut',
  model: { kind: 'cross-fitted-lut' },
});
