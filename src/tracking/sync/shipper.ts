import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { reason } from '../../fault.js';
import { listExperiments, reserved, subfolders } from '../directory/experiments.js';
import { livingOwner } from '../directory/owner.js';
import { newCursor, readCursor, saveCursor } from './cursor.js';
import { type Destination, isServerDown } from './destination.js';
import { type PassResult, passRun, type Sessions } from './pass.js';

/** Sends runs to a server while they are being recorded. */
export interface Shipper {
  /** The run in this folder is to be on the server; `serverId` names the server's run that it goes on with. */
  begun: (folder: string, serverId?: string) => Promise<void>;
  written: (folder: string) => void;
  /** The run has ended: resolves when it is all there, or patience is at its end. */
  ended: (folder: string) => Promise<void>;
  /** Sends what is left, with the same patience, and stops. */
  close: () => Promise<void>;
}

export interface ShipperOptions {
  /** The local store, for what earlier processes left. */
  store: string;
  /** Seconds without success after which the end of a run does not wait any longer. */
  patience: number;
  /** Milliseconds between passes while something is new. */
  every?: number;
  /** The command that sends the rest. */
  advice: string;
}

/** Runs of a store that are to be on the server, are not all there, and are recorded by nobody. */
const leftBehind = async (store: string, key: string): Promise<string[]> => {
  const found: string[] = [];
  for (const { experiment_id: id, lifecycle_stage: stage } of await listExperiments(store)) {
    if (stage === 'deleted') continue;
    for (const name of await subfolders(join(store, id))) {
      if (reserved.has(name)) continue;
      const folder = join(store, id, name);
      const cursor = await readCursor(folder, key);
      if (cursor && !cursor.done && !(await livingOwner(folder))) found.push(folder);
    }
  }
  return found;
};

/**
 * Sends in the background, from the files of the store: what is in memory does not matter, so neither an outage of the
 * server nor the end of this process loses anything. Failures are said once, and once when they are over.
 */
export const createShipper = (destination: Destination, options: ShipperOptions): Shipper => {
  const { client, onWarning } = destination;
  const every = options.every ?? 2000;
  const sessions: Sessions = new Map();
  const dirty = new Set<string>();
  /** Failures of the server in a row. */
  let down = 0;
  /** Until when the end of a run may wait. */
  let deadline = 0;
  let timer: NodeJS.Timeout | undefined;
  let pass: Promise<void> | undefined;
  let stopped = false;
  let looked = false;
  let controller = new AbortController();

  const progress = (bytes = 0): void => {
    // a large file is allowed a megabyte a second
    deadline = performance.now() + 1000 * (options.patience + bytes / 1e6);
  };
  const fail = (error: unknown): 'down' | 'refused' => {
    const text = reason(error);
    if (!isServerDown(error)) {
      onWarning(`tracking: ${text}; the record stays in ${options.store}`);
      return 'refused';
    }
    if (++down === 1) onWarning(`tracking: ${text}; the record is kept in ${options.store} and sent later`);
    return 'down';
  };
  const succeed = (): void => {
    if (down > 0) onWarning(`tracking: ${client.address} answers again; what was kept is being sent`);
    down = 0;
    progress();
  };

  const send = async (folder: string): Promise<PassResult | 'down' | 'refused'> => {
    dirty.delete(folder);
    try {
      const result = await passRun(destination, folder, sessions, {
        signal: controller.signal,
        onSending: progress,
        onSent: () => progress(),
      });
      if (result !== 'busy') succeed();
      if (result === 'done') sessions.delete(folder);
      else if (result !== 'open') dirty.add(folder);
      return result;
    } catch (error) {
      // the server may come back as another one: look again
      sessions.delete(folder);
      if (!controller.signal.aborted && fail(error) === 'refused') return 'refused';
      dirty.add(folder);
      return 'down';
    }
  };

  const lookForLeft = async (): Promise<void> => {
    if (looked) return;
    looked = true;
    for (const folder of await leftBehind(options.store, destination.key).catch(() => [])) dirty.add(folder);
  };

  const passAll = async (): Promise<void> => {
    await lookForLeft();
    for (const folder of [...dirty]) if ((await send(folder)) === 'down') return;
  };

  const schedule = (): void => {
    if (stopped || timer || pass || (looked && dirty.size === 0)) return;
    // while the server is away the pauses grow, up to half a minute
    const pause = down === 0 ? every : Math.min(30_000, every * 2 ** Math.min(down - 1, 6));
    timer = setTimeout(() => {
      timer = undefined;
      pass = passAll()
        .catch((error) => void fail(error))
        .finally(() => {
          pass = undefined;
          schedule();
        });
    }, pause).unref();
  };

  /** Tries until `folders` are all on the server, or nothing has arrived there for as long as patience lasts. */
  const finish = async (folders: readonly string[]): Promise<string[]> => {
    // while the server is known to be away, one more try is enough
    if (down > 1) deadline = performance.now() + 2000;
    else progress();
    const watch = setInterval(() => performance.now() > deadline && controller.abort(), 100);
    let left = [...folders];
    const refused: string[] = [];
    try {
      for (let wait = 100; ; wait = Math.min(2 * wait, 2000)) {
        const outcomes = new Map<string, PassResult | 'down' | 'refused'>();
        for (const folder of left) outcomes.set(folder, await send(folder));
        refused.push(...left.filter((folder) => outcomes.get(folder) === 'refused'));
        left = left.filter((folder) => ['busy', 'waits', 'down'].includes(outcomes.get(folder)!));
        if (left.length === 0 || controller.signal.aborted || performance.now() + wait > deadline)
          return [...left, ...refused];
        await sleep(wait);
      }
    } finally {
      clearInterval(watch);
      if (controller.signal.aborted) {
        controller = new AbortController();
        if (down === 0)
          onWarning(
            `tracking: ${client.address} does not get on; the record is kept in ${options.store} and sent later`,
          );
        down = Math.max(down, 2);
      }
      schedule();
    }
  };

  schedule();
  return {
    begun: async (folder, serverId) => {
      const cursor = (await readCursor(folder, destination.key)) ?? newCursor();
      await saveCursor(folder, destination.key, { ...cursor, runId: serverId ?? cursor.runId, done: false });
      dirty.add(folder);
      schedule();
    },
    written: (folder) => {
      dirty.add(folder);
      schedule();
    },
    ended: async (folder) => {
      if ((await finish([folder])).length > 0)
        onWarning(
          `tracking: the run in ${folder} is not all on ${client.address} yet; a later run sends it, or \`${options.advice}\` now`,
        );
    },
    close: async () => {
      await pass;
      await lookForLeft();
      if (dirty.size > 0) await finish([...dirty]);
      stopped = true;
      clearTimeout(timer);
    },
  };
};
