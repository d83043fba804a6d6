import type { RunMeta } from '../directory/meta.js';
import { type Cursor, saveCursor } from './cursor.js';
import type { Destination } from './destination.js';

/** What this process knows of one run on the server; kept between passes. */
export interface Session {
  cursor?: Cursor;
  /** The run was made on the server in this session: nothing was there before. */
  fresh: boolean;
  /** Making it was tried: it may be there although no answer came. */
  tried: boolean;
  /** The server's run was seen in this session. */
  seen: boolean;
  /** Metrics of which a call failed without certainty. */
  doubtful: Set<string>;
  /** Artifacts that are copied into the server's folder are seen by it. */
  seesFolder?: boolean;
  /** Points that the server has of a metric and that were not met in our files yet, by step, time and value. */
  present: Map<string, Map<string, number>>;
}

export const newSession = (): Session => ({
  fresh: false,
  tried: false,
  seen: false,
  doubtful: new Set(),
  present: new Map(),
});

/** How a pass is made. */
export interface PassOptions {
  signal?: AbortSignal;
  /** Something arrived at the server. */
  onSent?: (sent: { points: number; files: number }) => void;
  /** A file of so many bytes is on its way. */
  onSending?: (bytes: number) => void;
  /** The server's id of another run of the store; undefined while it has none. */
  parentOnServer: (localId: string) => Promise<string | undefined>;
  /** Whether an experiment of the server held no run of ours when this was first asked; absent: each run is looked for. */
  heldNone?: (experimentId: string) => Promise<boolean>;
}

/** One run on its way to a server. */
export interface Shipment {
  destination: Destination;
  /** The run's folder in the store. */
  run: string;
  /** As it was before anything else was read: it is written last, so a run that has ended is complete. */
  meta: RunMeta;
  cursor: Cursor;
  session: Session;
  options: PassOptions;
  /** Names the run in warnings. */
  about: string;
}

/** Keeps what the server has. */
export const keepCursor = ({ run, destination, cursor }: Shipment): Promise<void> =>
  saveCursor(run, destination.key, cursor);
