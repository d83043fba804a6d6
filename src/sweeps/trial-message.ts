import type { Progress } from '../progress.js';

/** What a trial's process tells the sweep: a JSON line or an IPC message each. */
export type TrialMessage =
  | { kind: 'progress'; progress: Progress }
  | { kind: 'note'; text: string }
  | { kind: 'failed'; reasons: readonly string[] }
  | { kind: 'finished'; resumed: boolean };

/** Is this a message of a trial? */
export const isTrialMessage = (value: unknown): value is TrialMessage =>
  value !== null &&
  typeof value === 'object' &&
  ['progress', 'note', 'failed', 'finished'].includes((value as { kind?: string }).kind ?? '');
