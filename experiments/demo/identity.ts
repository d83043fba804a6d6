/**
 * S2 reflectance as it is: what every model must beat.
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: no training; the test pass only.
 * Run: npx bandalign train demo/identity --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'identity',
  model: { kind: 'identity' },
});
