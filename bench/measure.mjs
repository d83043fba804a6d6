import { setTimeout } from 'node:timers/promises';

/** The middle of some numbers. */
export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

/** Milliseconds of one call, the median of `times` after one that does not count. */
export const timed = async (call, times) => {
  await call();
  const taken = [];
  for (let i = 0; i < times; i++) {
    const start = performance.now();
    await call();
    taken.push(performance.now() - start);
  }
  return median(taken);
};

/**
 * Lets contestants take turns until `seconds` are over, at least three and at most `most` rounds after one that does not
 * count. Each turn returns a number.
 * @returns for each contestant its numbers, round by round
 */
export const takeTurns = async (contestants, seconds, most = 15) => {
  const names = Object.keys(contestants);
  const taken = Object.fromEntries(names.map((name) => [name, []]));
  for (const name of names) await contestants[name]();
  const end = performance.now() + 1000 * seconds;
  for (let round = 0; round < most && (round < 3 || performance.now() < end); round++)
    for (const name of names) {
      // threads of the one before wait for more work on their processors: OpenMP's for 200 ms
      await setTimeout(400);
      taken[name].push(await contestants[name]());
    }
  return taken;
};

/** Median over rounds of the quotient of two contestants in the same round. */
export const ratio = (slow, fast) => median(slow.map((value, round) => value / fast[round]));
