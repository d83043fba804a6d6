/**
 * S2 reflectance as it is: what every model must beat.
 *
 * Reaches: the paper's value is not available to us; on the demo data see results/comparison.md.
 * Costs: no training; the test pass only.
 * Run: npx bandalign train paper/identity --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'identity',
  model: { kind: 'identity' },
});
