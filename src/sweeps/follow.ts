import { appendFileSync } from 'node:fs';
import type { OnProgress, TaskProgress } from '../progress.js';
import type { TaskEvent } from './executor.js';

/** What the tasks have come to. */
export interface Tally {
  finished: number;
  failed: { tag: string; reasons: readonly string[] }[];
}

/** What is followed, and who hears of it in which words. */
export interface Followed {
  /** Stage of the progress. */
  name: string;
  /** What tasks are: `runs`. */
  unit: string;
  /** What happens to a task that was killed: `it goes on from its last checkpoint`. */
  retryNote: string;
  /** File that takes every event but progress, a JSON line each. */
  events: string;
  total: number;
  /** Finished before. */
  finishedBefore: number;
  /** Whether failures are told as notes. */
  tellFailures: boolean;
  onProgress: OnProgress;
  onNote: (text: string) => void;
}

const percent = (done: number, total: number): string => `${Math.floor((100 * done) / Math.max(1, total))} %`;

/** `linear 45 % loss 1.2`, in a line of several tasks. */
const gist = ({ tag, progress }: TaskProgress): string => {
  if (!progress) return `${tag} starting`;
  const { stage, done, total, note } = progress;
  const far = stage === 'training' || stage === 'aligning';
  return far ? `${tag} ${percent(done, total)} ${note ?? ''}`.trim() : `${tag} ${stage}`;
};

/**
 * Follows tasks: one line of progress for all workers, a note for each failure and retry as it happens, and all of it in a
 * log of events.
 */
export const follow = (followed: Followed): { onEvent: (event: TaskEvent) => void; tally: Tally } => {
  const { name, unit, retryNote, events, total, finishedBefore, tellFailures, onProgress, onNote } = followed;
  const tally: Tally = { finished: finishedBefore, failed: [] };
  const running = new Map<string, TaskProgress>();
  const said = new Set<string>();
  const show = (): void => {
    const tasks = [...running.values()];
    const live = tasks.slice(0, 4).map(gist);
    const more = running.size > 4 ? [`and ${running.size - 4} more`] : [];
    const failures = tally.failed.length > 0 ? [`${tally.failed.length} failed`] : [];
    onProgress({
      stage: name,
      done: tally.finished,
      total,
      unit,
      note: [...failures, ...live, ...more].join(' · '),
      tasks,
      failed: tally.failed.length,
    });
  };
  const write = ({ task, ...event }: Exclude<TaskEvent, { kind: 'progress' }>): void => {
    try {
      appendFileSync(
        events,
        `${JSON.stringify({ time: new Date().toISOString(), tag: task.tag, ...event })}\n`,
        { flush: true },
      );
    } catch {
      // the log of events is for people: a full disk is told by the tasks themselves
    }
  };
  const onEvent = (event: TaskEvent): void => {
    const { tag } = event.task;
    if (event.kind === 'progress') {
      running.set(tag, { tag, progress: event.progress });
      show();
      return;
    }
    write(event);
    if (event.kind === 'started') running.set(tag, { tag });
    else if (event.kind === 'note') {
      // what all tasks say of the data is said once
      if (!said.has(event.text)) onNote(`${tag}: ${event.text}`);
      said.add(event.text);
    } else running.delete(tag);
    if (event.kind === 'finished') tally.finished++;
    if (event.kind === 'failed') {
      tally.failed.push({ tag, reasons: event.reasons });
      if (tellFailures) for (const reason of event.reasons) onNote(`${tag} failed: ${reason}`);
    }
    if (event.kind === 'retried')
      onNote(`${tag}: killed by ${event.why}; ${retryNote} (attempt ${event.attempt + 1})`);
    show();
  };
  return { onEvent, tally };
};
