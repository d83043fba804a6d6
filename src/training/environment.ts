import { readFile } from 'node:fs/promises';
import { cpus, hostname, platform, release, totalmem } from 'node:os';
import { type GitState, gitState } from '../git.js';
import { type RunningBackend, runningBackend } from './open-stepper.js';

/** Where and with what a run was made. */
export interface Environment {
  version: string;
  git: Omit<GitState, 'origin'> | null;
  node: string;
  packages: Record<string, string>;
  os: string;
  host: string;
  cpu: string;
  cores: number;
  memoryBytes: number;
  argv: string[];
  /** What computes the network; null where none is trained. */
  backend: RunningBackend | null;
  started: string;
}

const readPackage = async (url: URL): Promise<{ version: string; dependencies?: Record<string, string> }> =>
  JSON.parse(await readFile(url, 'utf8'));

/** Versions of what is installed, as package.json asks for it; a package that is absent is left out. */
const packageVersions = async (names: readonly string[]): Promise<Record<string, string>> => {
  const entries = await Promise.all(
    names.map(async (name) => {
      try {
        const file = await readPackage(new URL(`../../node_modules/${name}/package.json`, import.meta.url));
        return [[name, file.version] as const];
      } catch {
        return [];
      }
    }),
  );
  return Object.fromEntries(entries.flat());
};

/** Gathers the environment of this process; values of the environment variables are not among it. */
export const describeEnvironment = async (): Promise<Environment> => {
  const own = await readPackage(new URL('../../package.json', import.meta.url));
  const git = await gitState(process.cwd());
  return {
    version: own.version,
    git: git && { commit: git.commit, branch: git.branch, dirty: git.dirty },
    node: process.version,
    packages: await packageVersions(Object.keys(own.dependencies ?? {})),
    os: `${platform()} ${release()}`,
    host: hostname(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    argv: process.argv.slice(2),
    backend: runningBackend(),
    started: new Date().toISOString(),
  };
};
