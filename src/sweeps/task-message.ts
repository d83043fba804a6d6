import type { Progress } from '../progress.js';

/** What a task's process tells its executor: an IPC message each. */
export type TaskMessage =
  | { kind: 'progress'; progress: Progress }
  | { kind: 'note'; text: string }
  | { kind: 'failed'; reasons: readonly string[] }
  | { kind: 'finished' };

/** Is this a message of a task? */
export const isTaskMessage = (value: unknown): value is TaskMessage =>
  value !== null &&
  typeof value === 'object' &&
  ['progress', 'note', 'failed', 'finished'].includes((value as { kind?: string }).kind ?? '');

/** Between two reports of progress, ms. */
const reportEvery = 200;

/**
 * Speaks for a task: over the channel to its executor, where this process has one; what matters to people goes to the log too.
 * Resolves when the channel has taken the message: a process that exits sooner would lose it.
 */
export const taskSpeaker = (): ((message: TaskMessage) => Promise<void>) => {
  let last = 0;
  return async (message) => {
    if (message.kind === 'progress') {
      const { done, total } = message.progress;
      if (done < total && performance.now() - last < reportEvery) return;
      last = performance.now();
    }
    const lines = message.kind === 'failed' ? message.reasons : message.kind === 'note' ? [message.text] : [];
    for (const text of lines) process.stderr.write(`bandalign: ${text}\n`);
    if (process.send)
      await new Promise<void>((resolve) => process.send?.(message, undefined, undefined, () => resolve()));
  };
};
