import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus, hostname, platform, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import { type RunningBackend, runningBackend } from './open-stepper.js';

const run = promisify(execFile);

/** Where and with what a run was made. */
export interface Environment {
  version: string;
  git: { commit: string; branch: string; dirty: boolean } | null;
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

const git = async (...words: string[]): Promise<string> =>
  (await run('git', words, { timeout: 5000 })).stdout.trim();

/** The state of the git checkout around the working folder; null outside one. */
export const gitState = async (): Promise<Environment['git']> => {
  try {
    const [commit, branch, changes] = await Promise.all([
      git('rev-parse', 'HEAD'),
      git('rev-parse', '--abbrev-ref', 'HEAD'),
      git('status', '--porcelain', '--untracked-files=no'),
    ]);
    return { commit, branch, dirty: changes !== '' };
  } catch {
    return null;
  }
};

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
  return {
    version: own.version,
    git: await gitState(),
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
