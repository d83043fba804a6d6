import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { keeperOf } from '../../src/notebook/keeper.js';

describe('keeperOf', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
  afterEach(() => void vi.useRealTimers());

  const pause = (milliseconds: number): Promise<void> =>
    new Promise((resolve) => void setTimeout(resolve, milliseconds));

  /** A document whose writing takes so many milliseconds; how many lines were written, and when. */
  const documentOf = (milliseconds: number) => {
    let lines = 0;
    const kept: [time: number, lines: number][] = [];
    const begun = performance.now();
    const keeper = keeperOf(async () => {
      const held = lines;
      await pause(milliseconds);
      kept.push([performance.now() - begun, held]);
    });
    const add = async (): Promise<void> => {
      lines += 1;
      const keeping = keeper.keep();
      if (kept.length === 0 || milliseconds < 100) await vi.advanceTimersByTimeAsync(milliseconds);
      await keeping;
    };
    return { keeper, add, kept };
  };

  it('writes each time while that is short', async () => {
    const { keeper, add, kept } = documentOf(20);
    for (let n = 0; n < 5; n++) await add();
    await keeper.end();
    expect(kept.map(([, lines]) => lines)).toEqual([1, 2, 3, 4, 5]);
  });

  it('writes a large document after ten times what it takes, though nothing is told meanwhile, and at the end', async () => {
    const { keeper, add, kept } = documentOf(1000);
    await add();
    for (let n = 0; n < 3; n++) {
      await add();
      await vi.advanceTimersByTimeAsync(100);
    }
    expect(kept).toEqual([[1000, 1]]);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(kept).toEqual([
      [1000, 1],
      [12_000, 4],
    ]);
    await add();
    await add();
    const ending = keeper.end();
    await vi.advanceTimersByTimeAsync(1000);
    await ending;
    expect(kept.at(-1)?.[1]).toBe(6);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(kept.at(-1)?.[1]).toBe(6);
  });

  it('tells the next caller of a writing that failed while nobody waited', async () => {
    let fails = false;
    const keeper = keeperOf(async () => {
      await pause(1000);
      if (fails) throw new Error('the disk is full');
    });
    const first = keeper.keep();
    await vi.advanceTimersByTimeAsync(1000);
    await first;
    fails = true;
    await keeper.keep();
    await vi.advanceTimersByTimeAsync(20_000);
    await expect(keeper.end()).rejects.toThrow('the disk is full');
  });
});
