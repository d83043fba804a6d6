/**
 * One LUT per band over all tiles (a baseline of ours): the best that ignores the tile.
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: closed form from the statistics: seconds.
 * Run: npx bandalign train demo/global-lut --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'global-lut',
  model: { kind: 'global-lut' },
});
