/**
 * Global matching of the cumulative histograms per band (a baseline of ours; the paper's text names none).
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: closed form from the statistics: seconds.
 * Run: npx bandalign train demo/histogram-matching --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'histogram-matching',
  model: { kind: 'histogram-matching' },
});
