import { randomBytes } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { isAlive } from '../files.js';

const staleAfter = 7 * 24 * 3600 * 1000;
const host = (): string => hostname().replace(/[^A-Za-z0-9-]/g, '-');

/** `.NAME.HOST.PID.RANDOM.tmp` beside `path`: it tells a later run whose it is. */
export const ownedTemporaryName = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${host()}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`);

/**
 * Removes what killed runs left beside `path` under {@link ownedTemporaryName}: of processes of this host that live
 * no more, and of other hosts after a week.
 */
export const removeAbandoned = async (path: string): Promise<void> => {
  const folder = dirname(path);
  const start = `.${basename(path)}.`;
  for (const name of await readdir(folder)) {
    const owner = name.startsWith(start) && /^(.+)\.(\d+)\.[0-9a-f]{8}\.tmp$/.exec(name.slice(start.length));
    if (!owner) continue;
    const file = join(folder, name);
    const abandoned =
      owner[1] === host()
        ? !isAlive(Number(owner[2]))
        : await stat(file).then(
            ({ mtimeMs }) => Date.now() - mtimeMs > staleAfter,
            () => false,
          );
    if (abandoned) await rm(file, { force: true });
  }
};
