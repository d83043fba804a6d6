import type { Period } from './days.js';

/** Window lengths, days: from S2's revisit to a monthly composite. */
export const windowLengths = [5, 8, 10, 16, 30] as const;

/**
 * Share of the windows of `length` consecutive days inside the period, one beginning each day, that hold at least
 * one of `days` (ascending, inside the period). Null where the period is shorter than the window.
 *
 * A run of r days without observation holds max(0, r − length + 1) empty windows: no window is walked.
 */
export const windowShare = (days: ArrayLike<number>, { from, to }: Period, length: number): number | null => {
  const windows = to - from + 1 - length + 1;
  if (windows < 1) return null;
  let empty = 0;
  let previous = from - 1;
  for (let index = 0; index <= days.length; index++) {
    const next = index < days.length ? days[index] : to + 1;
    empty += Math.max(0, next - previous - 1 - length + 1);
    previous = next;
  }
  return (windows - empty) / windows;
};
