import { registry } from '../config/definitions.js';
import { monotonicity } from './monotonicity.js';
import type { Penalty } from './penalty.js';
import { totalVariation } from './tv.js';

/** The penalties that experiments may weigh, in the order in which they are summed; the package's own a line each. */
export const penalties = registry<'name', Penalty>('penalty', 'name', [
  totalVariation, //
  monotonicity,
]);

/**
 * Defines a penalty that experiments may weigh by `loss.<name>`. Its gradient is compared with finite differences when a
 * run that uses it begins.
 *
 * @throws Fault for a name that is taken
 */
export const definePenalty = (penalty: Penalty): Penalty => penalties.define(penalty);
