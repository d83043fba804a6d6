import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Settings under which git reads a repository and runs nothing that the repository's own configuration names: file
 * monitors, hooks, filters, programs that fetch what is missing. A folder that somebody else packed may hold any of them.
 */
const settings = {
  'core.fsmonitor': 'false',
  'core.hooksPath': '/dev/null',
  'core.sshCommand': 'false',
  'protocol.allow': 'never',
};
const environment = {
  GIT_OPTIONAL_LOCKS: '0',
  GIT_TERMINAL_PROMPT: '0',
  GIT_NO_LAZY_FETCH: '1',
  GIT_ALLOW_PROTOCOL: 'none',
  GIT_SSH_COMMAND: 'false',
};

const call = async (
  folder: string,
  words: readonly string[],
  more: Readonly<Record<string, string>> = {},
): Promise<string> => {
  const options = Object.entries({ ...settings, ...more }).flatMap(([key, value]) => [
    '-c',
    `${key}=${value}`,
  ]);
  const { stdout } = await run('git', [...options, ...words], {
    cwd: folder,
    env: { ...process.env, ...environment },
    timeout: 5000,
    maxBuffer: 2 ** 24,
  });
  return stdout.trim();
};

/** Settings that leave out every filter that is configured: status would run them on files whose times changed. */
const withoutFilters = async (folder: string): Promise<Record<string, string>> => {
  const names = await call(folder, ['config', '--null', '--name-only', '--get-regexp', '^filter\\..'])
    // nothing is found
    .catch((error: { code?: unknown }) => (error.code === 1 ? '' : Promise.reject(error)));
  const off: Record<string, string> = {};
  for (const name of names.split('\0').filter(Boolean)) {
    const filter = name.slice(0, name.lastIndexOf('.'));
    // could not be said on a command line
    if (filter.includes('=')) throw new Error(`git: filter ${filter}`);
    Object.assign(off, {
      [`${filter}.clean`]: '',
      [`${filter}.process`]: '',
      [`${filter}.required`]: 'false',
    });
  }
  return off;
};

/** The state of a checkout. */
export interface GitState {
  commit: string;
  /** `HEAD` where no branch is checked out. */
  branch: string;
  /** Whether files that git knows differ from the commit; submodules are not looked at. */
  dirty: boolean;
  /** Address of the remote `origin`, as it is configured; it may hold a password. */
  origin: string | null;
}

/** The state of the git checkout around `folder`; null outside one, without git, or where git refuses it. */
export const gitState = async (folder: string): Promise<GitState | null> => {
  try {
    const [commit, branch, off, origin] = await Promise.all([
      call(folder, ['rev-parse', 'HEAD']),
      call(folder, ['rev-parse', '--abbrev-ref', 'HEAD']),
      withoutFilters(folder),
      call(folder, ['config', '--get', 'remote.origin.url']).catch(() => ''),
    ]);
    const words = ['status', '--porcelain', '--untracked-files=no', '--ignore-submodules=all'];
    const dirty = (await call(folder, words, off)) !== '';
    return { commit, branch, dirty, origin: origin === '' ? null : origin };
  } catch {
    return null;
  }
};
