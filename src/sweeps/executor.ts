import type { Progress } from '../progress.js';
import type { Trial } from './expand.js';
import type { Manifest, SweepFolder } from './manifest.js';

/** What becomes of a trial, as it happens. */
export type TrialEvent =
  | { kind: 'started'; trial: Trial; attempt: number }
  | { kind: 'progress'; trial: Trial; progress: Progress }
  | { kind: 'note'; trial: Trial; text: string }
  | { kind: 'finished'; trial: Trial }
  /** It was killed and is put back to go on from its checkpoint. */
  | { kind: 'retried'; trial: Trial; why: string; attempt: number }
  | { kind: 'failed'; trial: Trial; reasons: readonly string[] }
  /** It was stopped with the sweep. */
  | { kind: 'interrupted'; trial: Trial };

/** The trials that an executor is to run. */
export interface SweepJob {
  manifest: Manifest;
  place: SweepFolder;
  /** Those without a result, and those whose record is not complete. */
  trials: readonly Trial[];
  /** Processes at the same time. */
  jobs: number;
  track: boolean;
  onEvent: (event: TrialEvent) => void;
  /** Lines about the executor itself. */
  onNote: (text: string) => void;
  signal: AbortSignal;
}

/**
 * Runs trials somewhere. It resolves when each has had its last event; a trial's failure is an event, not an error. On an
 * aborted signal it stops what runs, in order, and resolves too.
 */
export type Executor = (job: SweepJob) => Promise<void>;

/** Times that a trial is started again after it was killed. */
export const mostRetries = 3;
