import { open, readFile } from 'node:fs/promises';
import { writeAtomic } from '../files.js';
import type { EpochRecord } from './fit.js';
import { readLines } from './result.js';

/** Drops what was logged after `epoch`, and a torn last line: those epochs are run again. */
export const rewindLog = async (path: string, epoch: number): Promise<void> => {
  const records = await readLines<EpochRecord>(path);
  const kept = records
    .filter((record) => record.epoch <= epoch)
    .map((record) => `${JSON.stringify(record)}\n`);
  const before = await readFile(path, 'utf8').catch(() => '');
  if (kept.join('') !== before) await writeAtomic(path, kept.join(''));
};

/** Appends one epoch, with the time of now, as one line in one write. */
export const logEpoch = async (path: string, record: EpochRecord): Promise<void> => {
  const file = await open(path, 'a');
  try {
    await file.write(`${JSON.stringify({ ...record, time: new Date().toISOString() })}\n`);
  } finally {
    await file.close();
  }
};
