import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import type ts from 'typescript';
import type { TypeScript } from './typescript-internals.js';

/**
 * The compiler's view of the files it has read. TypeScript's watch program expects events; here nothing is watched, and
 * changed files are reported before a cell is compiled. Events came at any time, also between two steps of one compilation
 * (a notebook saved beside its modules, `npm install`), and tslab then refused every later cell.
 */
export interface SourceChanges {
  /** `typescript.sys` without watchers. */
  system: ts.System;
  /** tslab's system with a timer that can be set again, and that a failed compilation does not block. */
  withTimers: (system: ts.System) => ts.System;
  /** Reports every file whose content changed since the last call, and modules that import one of them. */
  report: (dependenciesOf: (path: string) => readonly string[]) => void;
  /** Has the compiler just read a module that no cell imported meanwhile, and that had changed? `report` then tells it. */
  overdue: () => boolean;
  /** Has every module that was not found looked for again. */
  lookAgain: () => void;
}

type Timers = Required<Pick<ts.System, 'setTimeout' | 'clearTimeout'>>;

const isSource = (path: string): boolean => !/[/\\]node_modules[/\\]|\.d\.[cm]?ts$/.test(path);

/** What tells one content of a file from another: a digest of a module, size and time of what packages declare. */
const stampOf = (path: string): string => {
  try {
    if (isSource(path)) return createHash('sha1').update(readFileSync(path)).digest('base64');
    const { mtimeNs, size, ino } = statSync(path, { bigint: true });
    return `${mtimeNs} ${size} ${ino}`;
  } catch {
    return ''; // absent
  }
};

export const sourceChanges = (typescript: TypeScript): SourceChanges => {
  const files = new Map<string, { stamp: string; callbacks: Set<ts.FileWatcherCallback> }>();
  /** Stamps taken before a file was read: a change meanwhile is found the next time. */
  const read = new Map<string, string>();
  const readFile = (path: string, encoding?: string): string | undefined => {
    read.set(path, stampOf(path));
    return typescript.sys.readFile(path, encoding);
  };
  /** Stamps of modules that the latest cells do not import: what was compiled of them is still with tslab. */
  const dropped = new Map<string, string>();
  let late = false;
  const watchFile = (path: string, callback: ts.FileWatcherCallback): ts.FileWatcher => {
    const now = read.get(path) ?? stampOf(path);
    const file = files.get(path) ?? { stamp: dropped.get(path) ?? now, callbacks: new Set() };
    if (file.stamp !== now) late = true;
    read.delete(path);
    files.set(path, file);
    file.callbacks.add(callback);
    return {
      close: () => {
        file.callbacks.delete(callback);
        if (file.callbacks.size > 0 || files.get(path) !== file) return;
        files.delete(path);
        if (isSource(path)) dropped.set(path, file.stamp);
      },
    };
  };
  const folders = new Map<ts.DirectoryWatcherCallback, string>();
  const watchDirectory = (path: string, callback: ts.DirectoryWatcherCallback): ts.FileWatcher => {
    folders.set(callback, path);
    return { close: () => void folders.delete(callback) };
  };
  const lookAgain = (): void => {
    for (const [callback, path] of [...folders]) callback(path);
  };

  const withTimers = (system: ts.System): ts.System => {
    const { setTimeout, clearTimeout } = system as ts.System & Timers;
    let pending: unknown;
    const clear = (timer: unknown): void => {
      if (timer === undefined || timer !== pending) return;
      clearTimeout(pending);
      pending = undefined;
    };
    const timers: Timers = {
      setTimeout: (callback, milliseconds, ...rest) => {
        // the second of TypeScript's two timers only prepares what an update of the program does anyway
        if (rest[0] !== 'timerToUpdateProgram') return {};
        clear(pending); // of a compilation that threw
        pending = setTimeout(() => {
          (callback as () => void)();
          pending = undefined;
        }, milliseconds);
        return pending;
      },
      clearTimeout: clear,
    };
    return Object.assign(Object.create(system) as ts.System, timers);
  };

  const report: SourceChanges['report'] = (dependenciesOf) => {
    late = false;
    const { Created, Changed, Deleted } = typescript.FileWatcherEventKind;
    const changed = new Map<string, ts.FileWatcherEventKind>();
    for (const [path, file] of files) {
      const stamp = stampOf(path);
      if (stamp === file.stamp) continue;
      changed.set(path, file.stamp === '' ? Created : stamp === '' ? Deleted : Changed);
      file.stamp = stamp;
    }
    if (changed.size === 0) return;
    const direct = [...changed.keys()];
    for (const path of files.keys())
      if (isSource(path) && !changed.has(path)) {
        const dependencies = new Set(dependenciesOf(path));
        if (direct.some((one) => dependencies.has(one))) changed.set(path, Changed);
      }
    for (const [path, kind] of changed)
      for (const callback of [...(files.get(path)?.callbacks ?? [])]) callback(path, kind);
  };
  return {
    system: { ...typescript.sys, readFile, watchFile, watchDirectory },
    ...{ withTimers, report, overdue: () => late, lookAgain },
  };
};
