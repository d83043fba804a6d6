import { mkdirSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { digest } from '../../files.js';

/**
 * The folder that stands in for `store` when that cannot be written (read-only, full, gone): a store of the same form
 * in the system's temporary folder, one for each store and user.
 */
export const rescueStore = (store: string): string => {
  const user = process.getuid?.() ?? 'user';
  return join(tmpdir(), `bandalign-tracking-${user}`, digest(resolve(store)).slice(0, 16));
};

/** Makes the rescue store's folder, for this user alone; throws when somebody else's is in the way. */
export const openRescueStore = (store: string): string => {
  const folder = rescueStore(store);
  const parent = join(folder, '..');
  mkdirSync(parent, { recursive: true, mode: 0o700 });
  const uid = process.getuid?.();
  if (uid !== undefined && statSync(parent).uid !== uid) throw new Error(`${parent} belongs to another user`);
  mkdirSync(folder, { recursive: true });
  return folder;
};

/** What the system says when a disk cannot take data. */
export const diskReason = (error: unknown): string => {
  const { code, message } = error as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ENOSPC: 'the disk is full',
    EDQUOT: 'the quota is used up',
    EROFS: 'the file system is read-only',
    EACCES: 'no permission to write',
    EPERM: 'no permission to write',
    ENOENT: 'no such file or folder',
    ENOTDIR: 'a file is in the way of a folder',
    EMFILE: 'too many open files',
    EIO: 'the disk reports an error',
    ESTALE: 'the network file system lost it',
  };
  return (code && known[code]) || message || String(error);
};
