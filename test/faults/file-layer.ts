import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { resolve } from 'node:path';

/**
 * A layer between the program and the disk: it counts every call that changes something beneath a folder, and makes the
 * n-th fail. `kill` makes all that follow fail too, as for a process that is no more: nothing it would still have done in
 * a `catch` or `finally` reaches the disk.
 */
export type Failure = 'ENOSPC' | 'EIO' | 'kill';

type Call = (...words: unknown[]) => Promise<unknown>;

const real = {
  promises: { ...fs.promises } as unknown as Record<string, Call>,
  appendFileSync: fs.appendFileSync,
};
const handles = new WeakMap<object, string>();
let armed: { root: string; count: number; at: number; failure: Failure; onFailure?: () => void } | null =
  null;

const isBeneath = (path: unknown): boolean =>
  armed !== null && typeof path === 'string' && resolve(path).startsWith(armed.root);

/** Counts one call; throws where its turn to fail has come. */
const pass = (path: unknown, call: string): void => {
  if (!armed || !isBeneath(path)) return;
  const { count, at, failure, onFailure } = armed;
  armed.count++;
  if (failure === 'kill' ? count < at : count !== at) return;
  if (count === at) onFailure?.();
  const code = failure === 'kill' ? 'EIO' : failure;
  throw Object.assign(new Error(`${code}: injected, ${call} '${String(path)}'`), { code, syscall: call });
};

const changing: Record<string, (words: readonly unknown[]) => unknown> = {
  mkdir: ([path]) => path,
  rename: ([, to]) => to,
  link: ([, to]) => to,
  rm: ([path]) => path,
  rmdir: ([path]) => path,
  copyFile: ([, to]) => to,
  writeFile: ([path]) => path,
  utimes: ([path]) => path,
};
const changingHandle = ['write', 'writeFile', 'sync', 'truncate'];

const install = (): void => {
  const promises = fs.promises as unknown as Record<string, Call>;
  for (const [name, pathOf] of Object.entries(changing))
    promises[name] = async (...words) => {
      pass(pathOf(words), name);
      return real.promises[name](...words);
    };
  promises['open'] = async (...words) => {
    const [path, flags = 'r'] = words;
    if (flags !== 'r') pass(path, 'open');
    const handle = (await real.promises['open'](...words)) as Record<string, Call>;
    if (isBeneath(path)) {
      handles.set(handle, String(path));
      for (const name of changingHandle) {
        const call = handle[name].bind(handle);
        handle[name] = async (...more) => {
          pass(handles.get(handle), name);
          return call(...more);
        };
      }
    }
    return handle;
  };
  fs.appendFileSync = ((path: string, ...words: unknown[]) => {
    pass(path, 'appendFile');
    return (real.appendFileSync as (...all: unknown[]) => void)(path, ...words);
  }) as typeof fs.appendFileSync;
  syncBuiltinESMExports();
};

const remove = (): void => {
  Object.assign(fs.promises, real.promises);
  fs.appendFileSync = real.appendFileSync;
  syncBuiltinESMExports();
};

/**
 * Runs `work` with the layer over `root`.
 * @param at the call that fails, from 0; none for Infinity
 * @param onFailure called when it does
 * @returns what became of it, and how many calls there were
 */
export const withFailure = async (
  root: string,
  at: number,
  failure: Failure,
  work: () => Promise<unknown>,
  onFailure?: () => void,
): Promise<{ error: unknown; calls: number }> => {
  armed = { root: resolve(root), count: 0, at, failure, onFailure };
  install();
  try {
    const error = await work().then(
      () => null,
      (thrown: unknown) => thrown,
    );
    return { error, calls: armed.count };
  } finally {
    remove();
    armed = null;
  }
};
