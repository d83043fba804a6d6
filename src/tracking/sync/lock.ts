import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryName } from '../../files.js';
import { heartbeat, livingOwner, ownerText, touch } from '../directory/owner.js';

const fileName = 'bandalign.sync.lock.json';

/** Lets go of a run. */
export type Release = () => Promise<void>;

/**
 * Takes the right to send the run in folder `run`; undefined while another living process (or another part of this one)
 * has it. A store that cannot be written is not locked: there is nobody to keep out.
 */
export const lockRun = async (run: string): Promise<Release | undefined> => {
  const path = join(run, fileName);
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const file = await open(path, 'wx');
      await file.writeFile(ownerText(true));
      await file.close();
      const beat = setInterval(() => void touch(run, fileName), heartbeat).unref();
      return async () => {
        clearInterval(beat);
        await rm(path, { force: true }).catch(() => {});
      };
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT') return undefined;
      if (code !== 'EEXIST') return async () => {};
    }
    if (await livingOwner(run, fileName)) return undefined;
    // its holder died; of several who find that out, one gets to move it away
    const aside = temporaryName(join(run, 'x'));
    await rename(path, aside).catch(() => {});
    await rm(aside, { force: true }).catch(() => {});
  }
  return undefined;
};
