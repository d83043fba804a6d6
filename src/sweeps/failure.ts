import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeJson } from '../files.js';

const failureFile = (folder: string): string => join(folder, 'failure.json');

const failureSchema = z.object({ reasons: z.array(z.string()).min(1) });

/** The reasons of a failure that a task recorded in its folder; null where it recorded none. */
export const readFailure = async (folder: string): Promise<string[] | null> => {
  try {
    return failureSchema.parse(JSON.parse(await readFile(failureFile(folder), 'utf8'))).reasons;
  } catch {
    return null;
  }
};

export const writeFailure = (folder: string, reasons: readonly string[]): Promise<void> =>
  // where not even this can be written, the log and the exit status tell
  writeJson(failureFile(folder), { reasons }).catch(() => {});

export const removeFailure = (folder: string): Promise<void> => rm(failureFile(folder), { force: true });
