import type { Tracker } from '../tracking/tracker.js';
import type { Executor } from './executor.js';
import { reasonsOf, runTrial } from './run-trial.js';

/** Runs the trials one after the other in this process: for a debugger, and where no process can be started. */
export const debugExecutor =
  (tracker: Tracker | null): Executor =>
  async ({ manifest, place, trials, onEvent, signal }) => {
    for (const trial of trials) {
      if (signal.aborted) return;
      onEvent({ kind: 'started', trial, attempt: 1 });
      try {
        await runTrial({
          manifest,
          folder: place.folder,
          trial,
          tracker,
          onProgress: (progress) => onEvent({ kind: 'progress', trial, progress }),
          onNote: (text) => onEvent({ kind: 'note', trial, text }),
          signal,
        });
        onEvent({ kind: 'finished', trial });
      } catch (error) {
        if (signal.aborted) return onEvent({ kind: 'interrupted', trial });
        onEvent({ kind: 'failed', trial, reasons: reasonsOf(error) });
      }
    }
  };
