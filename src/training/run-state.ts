import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { reason } from '../fault.js';
import { writeJson } from '../files.js';
import { isLocked } from '../lock.js';
import { type RunResult, readLines } from './result.js';
import type { RunFolder } from './run-folder.js';

/** `run.json`: which run a folder holds, and how it stands while it has no result. */
export interface RunState {
  /** 32 hexadecimal digits, given once; a copy of the folder is the same run. */
  id: string;
  /** Start of the first process at the run. */
  created: string;
  user: string;
  data: Pick<RunResult['data'], 'root' | 'digest' | 'train' | 'val' | 'test'>;
  /** How the last process ended; null while one is at it, after a kill, and in a finished run. */
  ended: { status: 'failed' | 'stopped'; at: string; reason: string } | null;
}

/** How a run stands. One that nobody is at and that left no word was killed: `stopped`. */
export type RunStatus = 'finished' | 'running' | 'failed' | 'stopped';

const stateFile = (folder: string): string => join(folder, 'run.json');

/** Null where there is none or it is cut. */
export const readRunState = async (folder: string): Promise<RunState | null> => {
  try {
    const state = JSON.parse(await readFile(stateFile(folder), 'utf8')) as RunState;
    return /^[0-9a-f]{32}$/.test(state.id) ? state : null;
  } catch {
    return null;
  }
};

/** The name of the person at the keyboard; `unknown` where the system has none (a container). */
const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    return process.env['USER'] ?? 'unknown';
  }
};

/** Notes that a process works at the run in `folder`; a run that goes on keeps its id. */
export const beginRun = async (folder: string, data: RunState['data']): Promise<void> => {
  const before = await readRunState(folder);
  await writeJson(stateFile(folder), {
    id: before?.id ?? randomBytes(16).toString('hex'),
    created: before?.created ?? new Date().toISOString(),
    user: before?.user ?? userName(),
    data,
    ended: null,
  } satisfies RunState);
};

/** Notes that the run in `folder` failed, or was stopped by its user; a disk that takes nothing is no second failure. */
export const abandonRun = async (folder: string, error: unknown, stopped: boolean): Promise<void> => {
  const state = await readRunState(folder);
  if (!state) return;
  const ended = {
    status: stopped ? ('stopped' as const) : ('failed' as const),
    at: new Date().toISOString(),
    reason: reason(error),
  };
  await writeJson(stateFile(folder), { ...state, ended }).catch(() => {});
};

/** How a run stands, and since when it does not run any more (ISO; null while it runs or where nothing says so). */
export const runStatus = async (
  { folder, metrics }: Pick<RunFolder, 'folder' | 'metrics'>,
  result: RunResult | null,
  state: RunState | null,
): Promise<{ status: RunStatus; ended: string | null }> => {
  if (result) return { status: 'finished', ended: result.finished };
  if (state?.ended) return { status: state.ended.status, ended: state.ended.at };
  const isRunning = await isLocked(join(dirname(folder), `.${basename(folder)}.lock`));
  if (isRunning) return { status: 'running', ended: null };
  const last = (await readLines<{ time?: string }>(metrics)).at(-1)?.time;
  return { status: 'stopped', ended: last ?? state?.created ?? null };
};
