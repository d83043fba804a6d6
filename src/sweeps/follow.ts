import { appendFileSync } from 'node:fs';
import type { OnProgress } from '../progress.js';
import type { TrialEvent } from './executor.js';
import type { Trial } from './expand.js';
import type { SweepFolder } from './manifest.js';

/** What a sweep has come to. */
export interface Tally {
  finished: number;
  failed: { tag: string; reasons: readonly string[] }[];
}

const share = (done: number, total: number): string => `${Math.floor((100 * done) / Math.max(1, total))} %`;

/**
 * Follows a sweep: one line of progress for all its workers, a note for each failure and retry as it happens, and all of it
 * in the sweep's `events.jsonl`.
 */
export const follow = (
  name: string,
  place: SweepFolder,
  total: number,
  already: number,
  { onProgress, onNote }: { onProgress: OnProgress; onNote: (text: string) => void },
): { onEvent: (event: TrialEvent) => void; tally: Tally } => {
  const tally: Tally = { finished: already, failed: [] };
  const running = new Map<Trial, string>();
  const said = new Set<string>();
  const show = (): void => {
    const live = [...running].slice(0, 4).map(([{ tag }, state]) => `${tag} ${state}`);
    const more = running.size > 4 ? [`and ${running.size - 4} more`] : [];
    const failures = tally.failed.length > 0 ? [`${tally.failed.length} failed`] : [];
    onProgress({
      stage: name,
      done: tally.finished,
      total,
      unit: 'runs',
      note: [...failures, ...live, ...more].join(' · '),
    });
  };
  const write = ({ trial, ...event }: Exclude<TrialEvent, { kind: 'progress' }>): void => {
    try {
      appendFileSync(
        place.events,
        `${JSON.stringify({ time: new Date().toISOString(), tag: trial.tag, ...event })}\n`,
      );
    } catch {
      // the log of events is for people: a full disk is told by the trials themselves
    }
  };
  const onEvent = (event: TrialEvent): void => {
    const { trial } = event;
    if (event.kind === 'progress') {
      const { stage, done, total: all, note } = event.progress;
      running.set(trial, stage === 'training' ? `${share(done, all)} ${note ?? ''}`.trim() : stage);
      show();
      return;
    }
    write(event);
    if (event.kind === 'started') running.set(trial, 'starting');
    else if (event.kind === 'note') {
      // what all trials say of the data is said once
      if (!said.has(event.text)) onNote(`${trial.tag}: ${event.text}`);
      said.add(event.text);
    } else running.delete(trial);
    if (event.kind === 'finished') tally.finished++;
    if (event.kind === 'failed') {
      tally.failed.push({ tag: trial.tag, reasons: event.reasons });
      for (const reason of event.reasons) onNote(`${trial.tag} failed: ${reason}`);
    }
    if (event.kind === 'retried')
      onNote(
        `${trial.tag}: killed by ${event.why}; it goes on from its last checkpoint (attempt ${event.attempt + 1})`,
      );
    show();
  };
  return { onEvent, tally };
};
