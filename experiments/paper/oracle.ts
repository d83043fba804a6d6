/**
 * The best LUT of each test tile, fitted on that tile's own target: a bound that no per-tile LUT can pass, never a
 * method.
 *
 * Reaches: the lowest error of any per-tile LUT; on the demo data see results/comparison.md.
 * Costs: closed form from the statistics: seconds.
 * Run: npx bandalign train paper/oracle --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'oracle',
  model: { kind: 'oracle' },
});
