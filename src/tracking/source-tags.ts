import { userInfo } from 'node:os';
import { relative } from 'node:path';
import { gitState } from '../git.js';

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
  const program = process.argv[1];
  const tags: Record<string, string | undefined> = {
    'mlflow.user': userName(),
    'mlflow.source.name': program ? relative(folder, program) || program : 'node',
    'mlflow.source.type': 'LOCAL',
  };
  const git = await gitState(folder);
  if (git) {
    tags['mlflow.source.git.commit'] = git.commit;
    tags['mlflow.source.git.branch'] = git.branch === 'HEAD' ? undefined : git.branch;
    tags['mlflow.source.git.dirty'] = String(git.dirty);
    tags['mlflow.source.git.repoURL'] = git.origin === null ? undefined : withoutCredentials(git.origin);
  }
  return Object.fromEntries(Object.entries(tags).filter((entry): entry is [string, string] => !!entry[1]));
};
