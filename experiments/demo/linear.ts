/**
 * One line per band over all tiles (ordinary least squares), the paper's linear baseline.
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: closed form from the statistics: seconds.
 * Run: npx bandalign train demo/linear --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'linear',
  model: { kind: 'linear' },
});
