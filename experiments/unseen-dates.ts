/**
 * How models do in a season that training has not seen: a quarter of the year left out at a time, the next one validates.
 *
 * Reaches: see results/full/unseen-dates.md.
 * Costs: ten minutes of one core on 500 tiles.
 * Run: npx bandalign sweep experiments/unseen-dates.ts --data DIR
 */
import { unseen } from './unseen-sites.js';

export default unseen(
  'unseen-dates',
  'A quarter of the year left out at a time',
  { by: 'date', folds: 4 },
  [0, 1, 2, 3],
);
