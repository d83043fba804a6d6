/**
 * Every band one cubic polynomial of all four source bands, the same for every tile.
 *
 * Reaches: see results/comparison.md, which `npm run reproduce` writes.
 * Costs: closed form from the moments of all bands: seconds.
 * Run: npx bandalign train demo/multi-cubic --data DIR
 */
import { defineExperiment } from 'bandalign';

export default defineExperiment({
  name: 'multi-cubic',
  model: { kind: 'multi-band', degree: 3 },
});
