import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Fault, linesOf, reason } from '../fault.js';
import { withLock } from '../lock.js';
import type { OnProgress } from '../progress.js';
import { makeRun } from '../training/run.js';
import type { Trial } from './expand.js';
import { removeFailure, writeFailure } from './failure.js';
import { type Manifest, sweepFolder } from './manifest.js';

/** What one trial needs beside its manifest. */
export interface TrialOptions {
  manifest: Manifest;
  /** Where the manifest lies: `<outputDir>/<sweep>`. */
  folder: string;
  trial: Trial;
  onProgress: OnProgress;
  onNote: (text: string) => void;
  signal?: AbortSignal;
}

const lockFault = (folder: string, error: unknown): unknown =>
  error instanceof Fault
    ? error
    : new Fault(`run: ${folder}; cannot be written (${reason(error)}): mend that, then --resume`, 1, {
        cause: error,
      });

/**
 * Runs one trial, from its last checkpoint where there is one, or does nothing where it is finished. A lock keeps a worker
 * that outlives its sweep by moments from meeting the next one in the same folder.
 */
export const runTrial = async (options: TrialOptions): Promise<{ resumed: boolean }> => {
  const { manifest, trial, onProgress, onNote, signal } = options;
  const place = sweepFolder(manifest.name, dirname(options.folder));
  const { folder } = place.trial(trial);
  await mkdir(folder, { recursive: true }).catch((error) => {
    throw lockFault(folder, error);
  });
  return withLock(
    join(folder, 'lock'),
    async () => {
      await removeFailure(folder);
      const { resumed } = await makeRun({
        experiment: trial.experiment,
        root: manifest.data.root,
        divide: manifest.data.divide ?? undefined,
        tag: `${manifest.name}/${trial.tag}`,
        outputDir: dirname(place.folder),
        resume: true,
        onProgress,
        onNote,
        signal,
      }).catch(async (error) => {
        if (!signal?.aborted) await writeFailure(folder, linesOf(error));
        throw error;
      });
      return { resumed };
    },
    {
      onHeld: (owner) => onNote(`${trial.tag}: another process is still running it (${owner}); waiting`),
      signal,
      fault: (error) => lockFault(folder, error),
    },
  );
};
