import { randomBytes } from 'node:crypto';
import { readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, reason } from '../fault.js';
import { writeJson } from '../files.js';
import type { EndStatus, RunSpec, TrackedRun, Tracker } from '../tracking/tracker.js';
import { inspectFolder } from './prepare-folder.js';
import { makeRun, type RunOptions, type RunOutcome, recordResult, recordStart } from './run.js';
import { runFolder } from './run-folder.js';
import { withRunLock } from './run-lock.js';
import { recordEpochs } from './train-unet-lut.js';

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

const recordRun = async (
  options: Omit<RunOptions, 'tracked' | 'onFolder'>,
  tracker: Tracker,
  spec: RunSpec,
): Promise<RunOutcome> => {
  const { experiment, onNote, signal } = options;
  const folder = runFolder(options.tag, options.outputDir);
  const path = trackingFile(folder.folder);
  const finished = await inspectFolder(folder, experiment, options);
  const note = await readTrackingNote(path);
  if (finished && note?.complete !== false) return makeRun(options);
  if (options.overwrite && note) await writeNote(path, randomBytes(16).toString('hex'), false);
  const tracked = await openTrackedRun(tracker, spec, path, onNote);
  let made = note !== null;
  try {
    if (finished && tracked) {
      recordStart(tracked, experiment, finished.data);
      await recordEpochs(tracked, folder, experiment.data.bands);
      await recordResult(tracked, experiment, folder, finished);
    }
    const onFolder = async (): Promise<void> => {
      made = true;
      if (tracked) await writeNote(path, tracked.runId, false);
    };
    const outcome = await makeRun({ ...options, tracked, onFolder });
    await closeTrackedRun(tracked, path, 'FINISHED');
    return outcome;
  } catch (error) {
    if (!signal?.aborted) tracked?.setTags({ 'bandalign.failure': reason(error) });
    await closeTrackedRun(tracked, path, signal?.aborted ? 'KILLED' : 'FAILED');
    // bad input is found before the run's folder is made: the note must not be all that is in it
    if (!made) await rm(path, { force: true }).then(() => rmdir(folder.folder).catch(() => {}));
    throw error;
  }
};

/**
 * `runExperiment`, recorded: one tracked run for a run's folder however often it is continued. A run that was killed
 * after its result but before its record was complete has the record completed and nothing else done.
 */
export const runTracked = async (
  options: Omit<RunOptions, 'tracked' | 'onFolder'>,
  tracker: Tracker | null,
  spec: RunSpec,
): Promise<RunOutcome> =>
  withRunLock(
    runFolder(options.tag, options.outputDir),
    () => (tracker ? recordRun(options, tracker, spec) : makeRun(options)),
    options.signal,
  );
