import { execFile } from 'node:child_process';
import { userInfo } from 'node:os';
import { relative } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The name of the person at the keyboard; `unknown` where the system has none (a container). */
export const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    return process.env['USER'] ?? process.env['USERNAME'] ?? 'unknown';
  }
};

/** An address without the user name and password in it. */
export const withoutCredentials = (address: string): string =>
  address.replace(/^([a-z][\w+.-]*:\/\/)[^/?#]*@/i, '$1');

/**
 * Tags that MLflow shows as the source of a run: user, program, and the git commit, branch, uncommitted changes and
 * address of `folder`'s repository. Those of git are absent outside a repository or without git.
 */
export const sourceTags = async (folder = process.cwd()): Promise<Record<string, string>> => {
  const git = async (...words: string[]): Promise<string | undefined> => {
    try {
      const { stdout } = await run('git', words, { cwd: folder, timeout: 5000, maxBuffer: 2 ** 24 });
      return stdout.trim();
    } catch {
      return undefined;
    }
  };
  const program = process.argv[1];
  const tags: Record<string, string | undefined> = {
    'mlflow.user': userName(),
    'mlflow.source.name': program ? relative(folder, program) || program : 'node',
    'mlflow.source.type': 'LOCAL',
    'mlflow.source.git.commit': await git('rev-parse', 'HEAD'),
  };
  if (tags['mlflow.source.git.commit'] !== undefined) {
    const [branch, changes, address] = await Promise.all([
      git('rev-parse', '--abbrev-ref', 'HEAD'),
      git('status', '--porcelain', '--untracked-files=no'),
      git('config', '--get', 'remote.origin.url'),
    ]);
    tags['mlflow.source.git.branch'] = branch === 'HEAD' ? undefined : branch;
    tags['mlflow.source.git.dirty'] = changes === undefined ? undefined : String(changes !== '');
    tags['mlflow.source.git.repoURL'] = address === undefined ? undefined : withoutCredentials(address);
  }
  return Object.fromEntries(Object.entries(tags).filter((entry): entry is [string, string] => !!entry[1]));
};
