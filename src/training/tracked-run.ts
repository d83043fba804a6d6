import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, reason } from '../fault.js';
import { writeJson } from '../files.js';
import type { EndStatus, RunSpec, TrackedRun, Tracker } from '../tracking/tracker.js';
import { type RunOptions, type RunOutcome, runExperiment } from './run.js';

/** `tracking.json` beside what is tracked: which run of the tracking store it is, and whether its record is complete. */
export interface TrackingNote {
  runId: string;
  complete: boolean;
}

export const trackingFile = (folder: string): string => join(folder, 'tracking.json');

/** Reads a note; null where there is none or it is not whole. */
export const readTrackingNote = async (path: string): Promise<TrackingNote | null> => {
  try {
    const note = JSON.parse(await readFile(path, 'utf8')) as TrackingNote;
    return /^[0-9a-f]{32}$/.test(note.runId) ? note : null;
  } catch {
    return null;
  }
};

const writeNote = (path: string, runId: string, complete: boolean): Promise<void> =>
  writeJson(path, { runId, complete } satisfies TrackingNote);

/**
 * Starts or goes on with the tracked run that `path` notes. The id is noted before the run begins, so that a process killed
 * at any moment leaves no second run behind. Undefined, with a warning, where it cannot be recorded: work goes on.
 *
 * @throws Fault only for settings that cannot be meant, such as an experiment that does not exist
 */
export const openTrackedRun = async (
  tracker: Tracker,
  spec: RunSpec,
  path: string,
  onNote: (text: string) => void,
): Promise<TrackedRun | undefined> => {
  const runId = (await readTrackingNote(path))?.runId ?? randomBytes(16).toString('hex');
  try {
    await writeNote(path, runId, false);
  } catch (error) {
    onNote(`${path} cannot be written (${reason(error)}); ${spec.name} goes on without being tracked`);
    return undefined;
  }
  try {
    if (!(await tracker.hasRun(runId))) {
      const run = await tracker.startRun({ ...spec, runId });
      if (run.runId !== runId) await writeNote(path, run.runId, false);
      return run;
    }
    const run = await tracker.resumeRun(runId);
    // a process killed right after the start may not have come to them
    run.setTags({
      'mlflow.runName': spec.name,
      'bandalign.localRunId': runId,
      ...(spec.parent === undefined ? {} : { 'mlflow.parentRunId': spec.parent }),
      ...spec.tags,
    });
    return run;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.exitCode === 2 && !(await tracker.hasRun(runId))) throw error;
    onNote(`${reason(error)}; ${spec.name} goes on without being tracked`);
    return undefined;
  }
};

/** Ends a tracked run; its note says from now on that nothing is left to record. */
export const closeTrackedRun = async (
  run: TrackedRun | undefined,
  path: string,
  status: EndStatus,
): Promise<void> => {
  await run?.end(status);
  if (run && status === 'FINISHED') await writeNote(path, run.runId, true);
};

export const runTracked = async (
  options: RunOptions,
  _tracker: Tracker | null,
  _spec: RunSpec,
): Promise<RunOutcome> => runExperiment(options);
