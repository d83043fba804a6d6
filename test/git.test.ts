import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { gitState } from '../src/git.js';

let folder: string;
let repository: string;
const git = (...words: string[]): string =>
  execFileSync('git', ['-C', repository, '-c', 'user.name=n', '-c', 'user.email=e@x', ...words], {
    encoding: 'utf8',
  }).trim();

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-git-'));
  repository = join(folder, 'repository');
  await mkdir(repository);
  git('init', '-q', '-b', 'main');
  await writeFile(join(repository, 'a.txt'), 'a\n');
  await writeFile(join(repository, '.gitattributes'), '*.txt filter=evil\n');
  git('add', '.');
  git('commit', '-qm', 'first');
});
afterEach(() => rm(folder, { recursive: true }));

test('tells commit, branch, changes and origin', async () => {
  git('remote', 'add', 'origin', 'https://example.org/x.git');
  const commit = git('rev-parse', 'HEAD');
  const clean = { commit, branch: 'main', dirty: false, origin: 'https://example.org/x.git' };
  expect(await gitState(repository)).toEqual(clean);
  await writeFile(join(repository, 'untracked'), '');
  expect(await gitState(repository)).toEqual(clean);
  await writeFile(join(repository, 'a.txt'), 'changed\n');
  expect(await gitState(repository)).toEqual({ ...clean, dirty: true });
  expect(await gitState(folder)).toBeNull();
});

test('runs nothing that the configuration of the repository names', async () => {
  const ran = join(folder, 'ran');
  const evil = join(folder, 'evil.sh');
  await writeFile(evil, `#!/bin/sh\necho "$0 $*" >>'${ran}'\ncat\n`);
  await chmod(evil, 0o755);
  const hooks = join(repository, '.git', 'hooks');
  await mkdir(hooks, { recursive: true });
  for (const hook of ['post-index-change', 'fsmonitor-watchman', 'pre-auto-gc'])
    await writeFile(join(hooks, hook), `#!/bin/sh\nexec '${evil}'\n`, { mode: 0o755 });
  for (const [key, value] of [
    ['core.fsmonitor', evil],
    ['filter.evil.clean', evil],
    ['filter.evil.process', evil],
    ['filter.evil.required', 'true'],
    ['core.sshCommand', evil],
    ['core.pager', evil],
    ['diff.external', evil],
    ['remote.origin.url', `ext::${evil}`],
    ['remote.origin.promisor', 'true'],
    ['protocol.ext.allow', 'always'],
  ])
    git('config', key, value);
  // other times make git look at the contents again
  await utimes(join(repository, 'a.txt'), new Date(0), new Date(0));
  // without safe settings
  expect(() => git('status', '--porcelain')).toThrow(/evil/);
  expect(existsSync(ran)).toBe(true);
  await rm(ran);
  await utimes(join(repository, 'a.txt'), new Date(1000), new Date(1000));
  expect(await gitState(repository)).toMatchObject({ branch: 'main', dirty: false });
  // a commit whose tree is missing would be fetched
  await rm(join(repository, '.git/objects'), { recursive: true });
  await mkdir(join(repository, '.git/objects'));
  await gitState(repository);
  expect(existsSync(ran)).toBe(false);
});
