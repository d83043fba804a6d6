import { randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { link, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import { digest, isAlive, removeAtExit } from './files.js';

/**
 * Locks between processes, each a file that names its owner. A lock is free when its owner is proved dead, never because
 * time has passed: an owner may be stopped (SIGSTOP, a suspended laptop) or blocked for hours.
 *
 * What proves it, by where the owner ran:
 *  - here: no process has its pid, or the one that has began at another time;
 *  - in another container of this machine: nothing answers any more at the socket that the owner left beside the lock;
 *  - on this machine before it was started anew: the boot is another one;
 *  - in an earlier start of this Slurm job: Slurm ends one start before the next.
 * The owner on another machine cannot be seen: its lock holds until it is released or someone removes the file, which
 * {@link OnHeld} says.
 */

/** The process that holds a lock. Texts are empty where the system does not tell. */
interface Owner {
  /** Differs from lock to lock. */
  token: string;
  pid: number;
  thread: number;
  /** When the process began, in ticks since the boot: tells it from a later one with its pid. */
  began: string;
  /** The namespace that its pid counts in: a container has one of its own. */
  namespace: string;
  /** The running of the kernel. */
  boot: string;
  /** The machine: host name and machine id. */
  machine: string;
  host: string;
  /** Slurm's job, and how often it was started before. */
  job: string;
  restarts: number;
}

/** Hears once, with who the owner is, that a lock is held; what it throws ends the wait. */
export type OnHeld = (owner: string) => void;

const pollMs = 200;
/** A file without an owner, as only a disk without hard links shows it for a moment, is taken for a dead one's after this. */
const namelessMs = 10_000;
const connectMs = 2000;

/** Tokens of the locks that this thread holds or waits for: another lock in its name could not be removed. */
const own = new Set<string>();

const textOf = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    return '';
  }
};

/** When a process began; `ended` of a zombie; empty where the system does not tell. */
const beginning = (pid: number): string => {
  // field 22; the name, field 2, may hold spaces and parentheses
  const status = textOf(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  const fields = status.slice(status.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : (fields[19] ?? '');
};

const thisProcess = (): Omit<Owner, 'token'> => {
  const host = hostname();
  return {
    pid: process.pid,
    thread: threadId,
    began: beginning(process.pid),
    namespace: textOf(() => readlinkSync('/proc/self/ns/pid')),
    boot: textOf(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    machine: digest(`${host}\n${textOf(() => readFileSync('/etc/machine-id', 'utf8'))}`).slice(0, 16),
    host,
    job: process.env['SLURM_JOB_ID'] ?? '',
    restarts: Number(process.env['SLURM_RESTART_COUNT'] ?? 0),
  };
};

const temporaryOf = (path: string): string => `${path}.${randomBytes(6).toString('hex')}.tmp`;

const socketOf = (path: string, token: string): string => `${path}.${token}.socket`;

/** Short enough for a socket's name, whatever the folder's is: Linux takes 107 bytes. */
const withShortPath = async <T>(path: string, use: (short: string) => Promise<T>): Promise<T> => {
  const folder = await open(dirname(path));
  try {
    return await use(`/proc/self/fd/${folder.fd}/${basename(path)}`);
  } finally {
    await folder.close();
  }
};

/** Answers at `path` for as long as this process lives, also while it is stopped; null where the disk takes no socket. */
const answer = async (path: string): Promise<Server | null> => {
  if (process.platform !== 'linux') return null;
  const server = createServer((other) => other.destroy());
  const listening = await withShortPath(
    path,
    (short) =>
      new Promise<boolean>((resolve) => {
        server.once('error', () => resolve(false));
        server.listen(short, () => resolve(true));
      }),
  ).catch(() => false);
  if (!listening) return null;
  server.unref();
  return server;
};

/** Whether anybody answers; null where that cannot be told. */
const answers = (path: string): Promise<boolean | null> =>
  withShortPath(
    path,
    (short) =>
      new Promise<boolean | null>((resolve) => {
        const socket = connect(short);
        // a queue that is full belongs to a process that lives and is stopped
        const timer = setTimeout(() => end(true), connectMs);
        const end = (found: boolean | null): void => {
          clearTimeout(timer);
          socket.destroy();
          resolve(found);
        };
        socket.once('connect', () => end(true));
        socket.once('error', ({ code }: NodeJS.ErrnoException) =>
          end(code === 'ECONNREFUSED' ? false : code === 'EAGAIN' ? true : null),
        );
      }),
  ).catch(() => null);

/** Does the owner live? Null: it cannot be seen from here. `lock` is the path of the lock whose owner left a socket. */
const lives = async (lock: string, owner: Owner): Promise<boolean | null> => {
  const here = thisProcess();
  if (owner.job !== '' && owner.job === here.job && owner.restarts < here.restarts) return false;
  if (owner.boot !== here.boot) return owner.boot !== '' && owner.machine === here.machine ? false : null;
  // without a boot's name only the host's tells whose pid it is
  if (owner.boot === '' && owner.host !== here.host) return null;
  if (owner.namespace !== here.namespace) return answers(socketOf(lock, owner.token));
  if (owner.pid === here.pid && owner.began === here.began && owner.thread === here.thread)
    return own.has(owner.token);
  const began = beginning(owner.pid);
  return isAlive(owner.pid) && (owner.began === '' || began === '' || began === owner.began);
};

const isOwner = (value: unknown): value is Owner => {
  const owner = value as Partial<Record<keyof Owner, unknown>> | null;
  return (
    typeof owner === 'object' &&
    owner !== null &&
    Number.isInteger(owner.pid) &&
    Number.isInteger(owner.thread) &&
    (owner.pid as number) > 0 &&
    /^[0-9a-f]{1,64}$/.test(String(owner.token)) &&
    [owner.began, owner.namespace, owner.boot, owner.machine, owner.host, owner.job].every(
      (text) => typeof text === 'string',
    )
  );
};

interface Found {
  /** Of the owner, or of what stands in its place. */
  token: string;
  /** Null: not one of ours, or cut. */
  owner: Owner | null;
  alive: boolean | null;
  path: string;
}

/** What holds the lock at `path`; null where nothing does. */
const inspect = async (path: string, lock: string): Promise<Found | null> => {
  try {
    const [text, { mtimeMs }] = await Promise.all([readFile(path, 'utf8'), stat(path)]);
    const owner = ((): Owner | null => {
      try {
        const value: unknown = JSON.parse(text);
        return isOwner(value) ? value : null;
      } catch {
        return null;
      }
    })();
    if (owner) return { token: owner.token, owner, alive: await lives(lock, owner), path };
    return { token: digest(text).slice(0, 32), owner, alive: Date.now() - mtimeMs < namelessMs, path };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
};

/** Removes a file that is of no use any more; where that fails, it does no harm. */
const discard = (path: string): Promise<void> => rm(path, { force: true }).catch(() => {});

/** Makes a file whole under a name that must be free; false where it is not. */
const create = async (path: string, text: string): Promise<boolean> => {
  const temporary = temporaryOf(path);
  const write = async (name: string): Promise<void> => {
    const file = await open(name, 'wx');
    try {
      await file.writeFile(text);
      await file.sync();
    } catch (error) {
      await discard(name);
      throw error;
    } finally {
      await file.close();
    }
  };
  try {
    await write(temporary);
    await link(temporary, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') throw error;
      // a disk without hard links
      return write(path);
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await discard(temporary);
  }
};

/** Somebody else was faster, or the lock was just released: the next look tells. */
const lookAgain = 'look again';

/**
 * Takes the lock at `path` for `text`, its owner; null when it is taken, else what holds it.
 *
 * A dead owner's lock is not removed, as the next one's might already stand there: of all who find it, one gets the right
 * to succeed this owner (a lock as well, named by the owner's token), sees that the lock is still the dead one's, and
 * renames its own over it.
 */
const take = async (path: string, text: string, lock = path): Promise<Found | typeof lookAgain | null> => {
  if (await create(path, text)) return null;
  const found = await inspect(path, lock);
  if (!found) return lookAgain;
  if (found.alive !== false) return found;
  const succession = `${lock}.after-${found.token}`;
  const rival = await take(succession, text, lock);
  if (rival) return rival;
  try {
    if ((await inspect(path, lock))?.token !== found.token) return lookAgain;
    const temporary = temporaryOf(path);
    await create(temporary, text);
    await rename(temporary, path);
    await discard(socketOf(lock, found.token));
    return null;
  } finally {
    await discard(succession);
  }
};

const release = async (path: string, token: string): Promise<void> => {
  const found = await inspect(path, path).catch(() => null);
  if (found?.token === token) await discard(path);
  await discard(socketOf(path, token));
};

/** Whether a process that lives, or may live where it cannot be seen from here, holds the lock at `path`. */
export const isLocked = async (path: string): Promise<boolean> => {
  const found = await inspect(path, path);
  return found !== null && found.alive !== false;
};

/**
 * Removes what killed processes left beside a lock that is taken: sockets at which nobody answers, and unfinished files. One
 * who waits and loses an unfinished file does without.
 */
const removeLeftovers = async (path: string): Promise<void> => {
  for (const name of await readdir(dirname(path)).catch(() => [])) {
    if (!name.startsWith(`${basename(path)}.`)) continue;
    const other = join(dirname(path), name);
    if (/\.[0-9a-f]{12}\.tmp$/.test(name)) await discard(other);
    if (/\.[0-9a-f]{32}\.socket$/.test(name) && (await answers(other)) === false) await discard(other);
  }
};

const describe = ({ owner, alive, path }: Found): string => {
  if (!owner) return 'unknown';
  const name = `process ${owner.pid} on ${owner.host}`;
  return alive === null ? `${name}, which cannot be seen from here: if it is gone, remove ${path}` : name;
};

/** Is this the name of a file of the lock named `lock`, in the lock's folder? */
export const isOfLock = (name: string, lock: string): boolean => name === lock || name.startsWith(`${lock}.`);

/**
 * Runs `work` while holding the lock at `path`, a file in a folder that is there. Waits for an owner that lives.
 * Two calls in one process keep each other out as well.
 *
 * @param onHeld called once when another holds the lock; what it throws ends the wait
 * @param fault makes what is thrown of an error in taking the lock, such as a folder that cannot be written
 */
export const withLock = async <T>(
  path: string,
  work: () => Promise<T>,
  {
    onHeld,
    signal,
    fault = (error) => error,
  }: { onHeld: OnHeld; signal?: AbortSignal; fault?: (error: unknown) => unknown },
): Promise<T> => {
  const token = randomBytes(16).toString('hex');
  const text = JSON.stringify({ token, ...thisProcess() } satisfies Owner);
  let server: Server | null = null;
  own.add(token);
  const keepSocket = removeAtExit(socketOf(path, token));
  try {
    // before the lock, so that no owner is ever seen that should answer and does not yet
    server = await answer(socketOf(path, token));
    let told = false;
    for (let held = await take(path, text); held !== null; held = await take(path, text)) {
      signal?.throwIfAborted();
      if (!told && held !== lookAgain) {
        told = true;
        onHeld(describe(held));
      }
      await pause(pollMs, undefined, { signal }).catch(() => {});
    }
  } catch (error) {
    own.delete(token);
    server?.close();
    await discard(socketOf(path, token));
    keepSocket();
    throw fault(error);
  }
  // nobody succeeds an owner that lives: until it is released, what stands there is this one's
  const keepLock = removeAtExit(path);
  try {
    await removeLeftovers(path);
    return await work();
  } finally {
    own.delete(token);
    server?.close();
    keepLock();
    await release(path, token);
    keepSocket();
  }
};
