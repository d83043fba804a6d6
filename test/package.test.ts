import { execFileSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  name: string;
  bin?: string | Record<string, string>;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

const manifestOf = (folder: string): Manifest =>
  JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

const find = (name: string, from: string): string => {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, 'node_modules', name);
    if (existsSync(join(found, 'package.json'))) return found;
    if (folder === dirname(folder)) throw new Error(`${name}: not installed`);
  }
};

/** Folders of all that npm installs with the package. */
const installed = (folder: string, seen = new Set<string>()): Set<string> => {
  for (const name of Object.keys(manifestOf(folder).dependencies ?? {})) {
    const found = find(name, folder);
    if (!seen.has(found)) installed(found, seen.add(found));
  }
  return seen;
};

/** Bytes of a folder as a file system keeps them, in blocks of 4 KiB; packages within it are counted by themselves. */
const sizeOf = (folder: string): number =>
  readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? sum : sum + sizeOf(path);
    return sum + 4096 * Math.ceil(lstatSync(path).size / 4096);
  }, 0);

const packages = [...installed(root)];

test('what npm installs with the package stays under 150 MB', () => {
  const megabytes = packages.reduce((sum, folder) => sum + sizeOf(folder), 0) / 2 ** 20;
  expect(megabytes + sizeOf(join(root, 'dist')) / 2 ** 20).toBeLessThan(150);
});

test('no compiler and no other foreign command comes with it', () => {
  const commands = packages.flatMap((folder) => {
    const { name, bin = {} } = manifestOf(folder);
    return typeof bin === 'string' ? [name] : Object.keys(bin);
  });
  for (const name of ['tsc', 'tsserver', 'tslab', 'rollup', 'cmake-ts']) expect(commands).not.toContain(name);
});

test("tsc in a checkout is the project's TypeScript", () => {
  expect(realpathSync(join(root, 'node_modules/.bin/tsc'))).toBe(
    realpathSync(join(root, 'node_modules/typescript/bin/tsc')),
  );
});

test('nothing that is installed with it wants to run a script', () => {
  const scripted = (folder: string, events: string[]): boolean =>
    events.some((event) => event in (manifestOf(folder).scripts ?? {}));
  const atInstall = ['preinstall', 'install', 'postinstall'];
  expect(packages.filter((folder) => scripted(folder, atInstall))).toEqual([]);
  // npm asks for consent to `prepare` too where a package comes from a file
  expect(scripted(root, [...atInstall, 'prepare'])).toBe(false);
  expect(packages.filter((folder) => existsSync(join(folder, 'binding.gyp')))).toEqual([]);
});

test('THIRD_PARTY_NOTICES says whose code is in it and comes with it', () => {
  execFileSync(process.execPath, [join(root, 'setup/notices.mjs'), '--check'], { stdio: 'pipe' });
  const notices = readFileSync(join(root, 'THIRD_PARTY_NOTICES'), 'utf8');
  for (const folder of packages) expect(notices).toContain(`${manifestOf(folder).name} `);
  expect(notices).toContain('@tensorflow/tfjs-backend-wasm');
});
