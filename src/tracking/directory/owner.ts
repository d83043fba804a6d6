import { readFileSync } from 'node:fs';
import { readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { place } from './place.js';

/** The process that records a run. It stands in a plain file of the run's folder, which MLflow does not read. */
export interface Owner {
  pid: number;
  host: string;
  /** When the process began, in the system's own ticks: tells it from a later one with the same pid. */
  began: string;
  /** True when the owner sends the run to a server itself. */
  ships: boolean;
}

const fileName = 'bandalign.owner.json';
/** An owner on another host touches its file this often, ms. */
export const heartbeat = 20_000;

const beginning = (pid: number): string => {
  try {
    // field 22 of /proc/PID/stat; the name (field 2) may hold spaces
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return '';
  }
};

const running = (owner: Owner): boolean => {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return owner.began === '' || beginning(owner.pid) === owner.began;
};

/** This process as an owner. */
export const ownerText = (ships: boolean): string => {
  const owner: Owner = { pid: process.pid, host: hostname(), began: beginning(process.pid), ships };
  return JSON.stringify(owner);
};

/** Writes this process down as the one that records the run in `folder`. */
export const own = (folder: string, ships: boolean): Promise<void> =>
  place(folder, fileName, ownerText(ships));

export const disown = (folder: string): Promise<void> =>
  rm(join(folder, fileName), { force: true }).catch(() => {});

/** Says that this process still lives, to other hosts on the same disk. */
export const touch = (folder: string, name = fileName): Promise<void> =>
  utimes(join(folder, name), new Date(), new Date()).catch(() => {});

/** The living process that holds `folder`; undefined when there is none or it died. */
export const livingOwner = async (folder: string, name = fileName): Promise<Owner | undefined> => {
  try {
    const path = join(folder, name);
    const owner = JSON.parse(await readFile(path, 'utf8')) as Owner;
    if (owner.host === hostname()) return running(owner) ? owner : undefined;
    return Date.now() - (await stat(path)).mtimeMs < 4 * heartbeat ? owner : undefined;
  } catch {
    return undefined;
  }
};
