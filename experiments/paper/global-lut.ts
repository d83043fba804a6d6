/**
 * One LUT per band over all tiles (a baseline of ours): the best that ignores the tile.
 *
 * Reaches: the paper's value is not available to us; on the demo data see results/comparison.md.
 * Costs: closed form from the statistics: seconds.
 * Run: npx bandalign train paper/global-lut --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'global-lut',
  model: { kind: 'global-lut' },
});
