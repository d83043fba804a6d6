/**
 * The short form of ablation.ts that `npm run reproduce` runs: two seeds, a quarter of the epochs.
 *
 * Reaches: see results/ablation.md.
 * Costs: a tenth of ablation.ts.
 * Run: npx bandalign sweep experiments/ablation-short.ts --data DIR
 */
import { ablation } from './ablation.js';

export default ablation('ablation', [1, 2], 6);
