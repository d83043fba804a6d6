/**
 * LUTs of each tile by kernel ridge regression from its histograms: what the UNet sees, in closed form.
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: half a minute on the demo data.
 * Run: npx bandalign train demo/kernel-lut --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'kernel-lut',
  model: { kind: 'kernel-lut' },
});
