/**
 * One line per band over all tiles (ordinary least squares), the paper's linear baseline.
 *
 * Reaches: the paper's value is not available to us; on the demo data see results/comparison.md.
 * Costs: closed form from the statistics: seconds.
 * Run: npx bandalign train paper/linear --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'linear',
  model: { kind: 'linear' },
});
