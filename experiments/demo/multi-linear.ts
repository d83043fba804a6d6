/**
 * Every band a line of all four source bands over all tiles (ordinary least squares): what harmonisation across sensors commonly does.
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: closed form from the moments of all bands: seconds.
 * Run: npx bandalign train demo/multi-linear --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'multi-linear',
  model: { kind: 'multi-band', degree: 1 },
});
