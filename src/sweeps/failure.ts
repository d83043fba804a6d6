import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, reason } from '../fault.js';
import { writeJson } from '../files.js';

const failureFile = (folder: string): string => join(folder, 'failure.json');

/** What a task says of its failure, beside its files: for an executor that cannot hear it. Null where it did not fail by itself. */
export const readFailure = async (folder: string): Promise<string[] | null> => {
  try {
    return (JSON.parse(await readFile(failureFile(folder), 'utf8')) as { reasons: string[] }).reasons;
  } catch {
    return null;
  }
};

export const writeFailure = (folder: string, reasons: readonly string[]): Promise<void> =>
  // where not even this can be written, the log and the exit status tell
  writeJson(failureFile(folder), { reasons }).catch(() => {});

export const removeFailure = (folder: string): Promise<void> => rm(failureFile(folder), { force: true });

/** What an error says, a line each. */
export const reasonsOf = (error: unknown): readonly string[] =>
  error instanceof Fault ? error.faults : [`unexpected: ${reason(error)}`];
