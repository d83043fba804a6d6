/**
 * Global matching of the cumulative histograms per band (a baseline of ours; the paper's text names none).
 *
 * Reaches: the paper's value is not available to us; on the demo data see results/comparison.md.
 * Costs: closed form from the statistics: seconds.
 * Run: npx bandalign train paper/histogram-matching --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'histogram-matching',
  model: { kind: 'histogram-matching' },
});
