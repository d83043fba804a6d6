import { Fault, reason } from '../fault.js';
import type { RunFolder } from './run-folder.js';

const advices: Record<string, string> = {
  ENOSPC: 'free some space, then --resume',
  EDQUOT: 'raise the quota, then --resume',
  EIO: 'the disk fails; look after it, or choose another --output-dir',
  EROFS: 'the file system is read-only; choose another --output-dir',
  EACCES: 'no permission; choose another --output-dir',
  EPERM: 'no permission; choose another --output-dir',
  EMFILE: 'too many open files; raise the limit (ulimit -n), then --resume',
  ENAMETOOLONG: 'choose a shorter --output-dir or --tag',
  ENOTDIR: 'a file stands where a folder is needed; choose another --output-dir or --tag',
};

/** A full disk and the like, as a fault that says what to do; anything else as it is. */
export const diskFault = (error: unknown, folder: Pick<RunFolder, 'folder'>): unknown => {
  const advice = advices[(error as NodeJS.ErrnoException | null)?.code ?? ''];
  return advice === undefined
    ? error
    : new Fault(`run: ${folder.folder}; cannot be written (${reason(error)}): ${advice}`, 1, {
        cause: error,
      });
};
