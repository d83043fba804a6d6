import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { place } from '../directory/place.js';

/**
 * What of a run is on one server. It only saves work: what a new process finds still to send is compared with what the
 * server has before it is sent.
 */
export interface Cursor {
  /** The server's id of the run; absent until it is known to exist there. */
  runId?: string;
  experimentId?: string;
  artifactUri?: string;
  /** Bytes of each metric file that the server has. */
  metrics: Record<string, number>;
  /** Size and times of each file of params, tags, inputs and artifacts that the server has. */
  files: Record<string, string>;
  /** State of the run that the server was last told. */
  state?: string;
  /** Everything of a run that has ended is there. */
  done: boolean;
}

const fileName = 'bandalign.sync.json';

export const newCursor = (): Cursor => ({ metrics: {}, files: {}, done: false });

type Cursors = Record<string, Cursor>;

const readAll = async (run: string): Promise<Cursors> => {
  try {
    return JSON.parse(await readFile(join(run, fileName), 'utf8')) as Cursors;
  } catch {
    return {};
  }
};

/** The cursor of the run in folder `run` for `server`; undefined when it was never to be sent there. */
export const readCursor = async (run: string, server: string): Promise<Cursor | undefined> =>
  (await readAll(run))[server];

/** Keeps it. A disk that refuses is no reason to stop sending: the server is asked again next time. */
export const saveCursor = async (run: string, server: string, cursor: Cursor): Promise<void> => {
  const all = { ...(await readAll(run)), [server]: cursor };
  await place(run, fileName, JSON.stringify(all)).catch(() => {});
};
