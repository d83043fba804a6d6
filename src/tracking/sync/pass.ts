import { dirname } from 'node:path';
import { findRun } from '../directory/experiments.js';
import { readCursor } from './cursor.js';
import { type Destination, serverRun } from './destination.js';
import { lockRun } from './lock.js';
import { shipRun } from './ship-run.js';
import { newSession, type PassOptions, type Session } from './shipment.js';

/** What became of a run: all there, more to come, only its parent not there yet, or another process is at it. */
export type PassResult = 'done' | 'open' | 'waits' | 'busy';

/** What this process knows of runs on the server, by folder. */
export type Sessions = Map<string, Session>;

/**
 * Sends what the server lacks of the run in folder `run`, unless another process does. The run's parent is made on the
 * server first, if a store at hand has it.
 */
export const passRun = async (
  destination: Destination,
  run: string,
  sessions: Sessions,
  options: Omit<PassOptions, 'parentOnServer'>,
): Promise<PassResult> => {
  const parentOnServer = async (localId: string): Promise<string | undefined> => {
    let parent: string | undefined;
    for (const store of [dirname(dirname(run)), ...destination.stores])
      parent ??= await findRun(store, localId);
    if (!parent) {
      // not ours: a run that exists there only, or nowhere
      const there = await serverRun(destination, localId, options.signal);
      return there?.info.run_id ?? localId;
    }
    const known = (await readCursor(parent, destination.key))?.runId;
    if (known !== undefined) return known;
    await passRun(destination, parent, sessions, options);
    return (await readCursor(parent, destination.key))?.runId;
  };

  const release = await lockRun(run);
  if (!release) return 'busy';
  const session = sessions.get(run) ?? newSession();
  sessions.set(run, session);
  try {
    return await shipRun(destination, run, session, { ...options, parentOnServer });
  } finally {
    await release();
  }
};
