import { availableParallelism } from 'node:os';
import { expect, test } from 'vitest';
import { processors, quotaOf } from '../src/processors.js';

test.each([
  ['200000 100000\n', null, null, 2],
  ['150000 100000\n', null, null, 1.5],
  ['max 100000\n', null, null, Number.POSITIVE_INFINITY],
  [null, '50000\n', '100000\n', 0.5],
  [null, '-1\n', '100000\n', Number.POSITIVE_INFINITY],
  [null, null, null, Number.POSITIVE_INFINITY],
])('a control group of %j, %j, %j grants %d processors', (unified, quota, period, share) => {
  expect(quotaOf(unified, quota, period)).toBe(share);
});

test('there is one at least, and no more than the process may run on', () => {
  expect(processors()).toBeGreaterThanOrEqual(1);
  expect(processors()).toBeLessThanOrEqual(availableParallelism());
});
