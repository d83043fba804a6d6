import { appendFile, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { cutTornLine, safeName, writeAtomic } from '../src/files.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-files-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a name taken from data', () => {
  test.each([
    ['image-1.png', 'image-1.png'],
    ['../../etc/passwd', 'etc-passwd'],
    ['/absolute', 'absolute'],
    ['..\\up', 'up'],
    ['o\ntouch x #', 'o-touch-x'],
    ['a\'b"c`d$(e)', 'a-b-c-d-e'],
    ['植被 16 m', '植被-16-m'],
    ['con', '_con'],
    ['NUL.txt', '_NUL.txt'],
    ['...', 'cell'],
    ['\u202e', 'cell'],
    ['', 'cell'],
    ['a'.repeat(300), 'a'.repeat(150)],
    ['植'.repeat(100), '植'.repeat(50)],
  ])('%j → %j', (text, name) => {
    expect(safeName(text, 'cell')).toBe(name);
  });

  test('is always one file in its folder', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
        const name = safeName(text, 'x');
        expect(name).not.toMatch(/[/\\\p{Cc}]|^\.|^-|^$/u);
        expect(Buffer.byteLength(name)).toBeLessThan(151);
        expect(safeName(name, 'x')).toBe(name);
      }),
    );
  });
});

test('a file that is written is no link’s target', async () => {
  await writeFile(join(folder, 'secret'), 'kept');
  await symlink(join(folder, 'secret'), join(folder, 'result.json'));
  await writeAtomic(join(folder, 'result.json'), 'new');
  expect(await readFile(join(folder, 'secret'), 'utf8')).toBe('kept');
  expect((await readdir(folder)).sort()).toEqual(['result.json', 'secret']);
});

test.each([
  ['', ''],
  ['{"a":1}\n', '{"a":1}\n'],
  ['{"a":1}\n{"b', '{"a":1}\n'],
  ['{"a', ''],
  [`{"a":1}\n${'x'.repeat(200_000)}`, '{"a":1}\n'],
  [`${'y'.repeat(200_000)}\nz`, `${'y'.repeat(200_000)}\n`],
])('a log is cut back to its last whole line (case %#)', async (before, after) => {
  const path = join(folder, 'log.jsonl');
  await cutTornLine(path);
  await writeFile(path, before);
  await cutTornLine(path);
  expect(await readFile(path, 'utf8')).toBe(after);
  await appendFile(path, '{"c":1}\n');
  expect(await readFile(path, 'utf8')).toBe(`${after}{"c":1}\n`);
});
