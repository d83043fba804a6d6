/** A job that is over in less is not worth the start: such tasks share one. Seconds. */
const worthAJob = 600;

/**
 * Deals tasks out to array tasks, in order: as many to one as fill about ten minutes, or `perJob`. A task whose cost is not
 * known has one of its own.
 *
 * @param seconds what a task takes; null: not known
 */
export const groupTasks = <T>(
  tasks: readonly T[],
  seconds: (task: T) => number | null,
  perJob?: number,
): T[][] => {
  const groups: T[][] = [];
  let secondsLeft = 0;
  for (const task of tasks) {
    const cost = perJob !== undefined ? 1 : (seconds(task) ?? worthAJob);
    if (groups.length === 0 || cost > secondsLeft) {
      groups.push([]);
      secondsLeft = perJob ?? worthAJob;
    }
    groups.at(-1)!.push(task);
    secondsLeft -= cost;
  }
  return groups;
};
