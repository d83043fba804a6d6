/**
 * Runs `work` on items, `atOnce` of them at a time, and `use` on the results one after the other, in the items' order.
 * At most `atOnce` results wait at any time. The first failure is thrown after what had begun has ended.
 */
export const inOrder = async <Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
  use: (result: Result, item: Item) => Promise<void>,
): Promise<void> => {
  const running: Promise<Result>[] = [];
  try {
    for (let next = 0, done = 0; done < items.length; done++) {
      while (next < items.length && next - done < atOnce) {
        const result = work(items[next++]);
        // its failure is thrown when its turn comes
        result.catch(() => {});
        running.push(result);
      }
      await use(await (running.shift() as Promise<Result>), items[done]);
    }
  } finally {
    await Promise.allSettled(running);
  }
};
