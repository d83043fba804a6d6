import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const root = here('../fixtures/parity/data');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-pack-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const pack = (...args: string[]): { status: number | null; stdout: string; stderr: string } => {
  // `npm test` builds first
  const main = here('../../dist/cli/main.js');
  return spawnSync(process.execPath, [main, 'dataset', 'pack', ...args], { cwd: folder, encoding: 'utf8' });
};

test('packs, says how fast, and has nothing to do the second time', () => {
  const first = pack(root, '--json');
  expect(first.status, first.stderr).toBe(0);
  const made = JSON.parse(first.stdout) as Record<string, unknown>;
  expect(made).toMatchObject({ patches: 15, skipped: [], built: { patches: 15 } });
  expect(String(made['folder']).startsWith(join(folder, '.bandalign', 'cache'))).toBe(true);
  expect(first.stderr).toMatch(/packing +15\/15 patches/);
  const second = pack(root, '--quiet');
  expect(second.stdout).toMatch(/^15 patches of \d+ tiles; packed before, unchanged\ncache: .*\n$/);
  expect(second.stderr).toBe('');
});

test('a bad call or folder is one line and exit 2', () => {
  for (const [args, message] of [
    [[], /^bandalign: call: nothing; give one dataset folder\n$/],
    [[join(folder, 'none')], /^bandalign: data: .*none; no such folder\n$/],
    [[root, '--set', 'data.binz=3'], /^bandalign: .*data\.binz.*\n$/],
  ] as const) {
    const { status, stdout, stderr } = pack(...args);
    expect([status, stdout], stderr).toEqual([2, '']);
    expect(stderr).toMatch(message);
  }
});
