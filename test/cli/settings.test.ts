import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { flatten, override } from '../../src/config/override.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { listSettings, type Setting } from '../../src/experiments/settings.js';
import { models } from '../../src/models/index.js';

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-settings-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const bandalign = (...args: string[]): string =>
  execFileSync(process.execPath, [main, ...args], { cwd: folder, encoding: 'utf8' });

/** The keys of a resolved experiment: the list cannot leave one out. */
const keysOf = (kind: string): string[] =>
  Object.keys(flatten(resolveExperiment({ model: { kind } } as never)));

describe('settings', () => {
  const all = listSettings();
  const of = (kind: string): Setting[] =>
    all.filter((one) => one.models === null || one.models.includes(kind));

  test.each(models.list().map(({ kind }) => kind))(
    'every setting of %s is listed with its default',
    (kind) => {
      const listed = new Map(of(kind).map((setting) => [setting.key, setting]));
      const resolved = flatten(resolveExperiment({ model: { kind } } as never));
      for (const key of keysOf(kind)) expect(listed.has(key)).toBe(true);
      for (const [key, setting] of listed)
        if (setting.default !== undefined && resolved[key] !== undefined && key !== 'model.kind')
          expect(flatten(setting.default)['']).toBe(resolved[key]);
    },
  );

  test('each says what it means', () => {
    expect(all.filter(({ meaning }) => meaning === '')).toEqual([]);
    expect(all.filter(({ type }) => type === '' || type.includes(','))).toEqual([]);
  });

  test.each([
    ['train.epochs', 'integer', 'at least 1', 200],
    ['train.ema', 'number', 'at least 0, below 1', 0],
    ['data.pair.patch', 'list of 2 integers', 'above 0', [512, 512]],
    ['data.pair.boaOffset', 'number or null', '', null],
    ['model.linear.method', 'text', 'ols, rma', 'ols'],
    ['data.pair', 'settings or null', '', null],
  ])('%s: %s, %s', (key, type, range, value) => {
    expect(all.find((setting) => setting.key === key)).toMatchObject({ type, range, default: value });
  });

  test('what it calls allowed is taken, and what lies outside is not', () => {
    const isTaken = (word: string): boolean => {
      try {
        return resolveExperiment(override({}, [word])) !== null;
      } catch {
        return false;
      }
    };
    for (const { key, range } of of('unet-lut')) {
      const [, low] = /^(?:at least )?(-?\d+)(?: to|$)/.exec(range) ?? [];
      // a pair needs its files, a list is no number, and bins and knots depend on the depth of the network
      if (low === undefined || /pair|bandMax|bins|knots/.test(key)) continue;
      expect([key, isTaken(`${key}=${low}`)]).toEqual([key, true]);
      expect([key, isTaken(`${key}=${Number(low) - 1}`)]).toEqual([key, false]);
    }
  });

  test('a pattern chooses, and lines are as wide as print', () => {
    const text = bandalign('settings', 'train.*');
    expect(text).toContain(
      'train.epochs  integer, at least 1 (default 200)\n    Passes over the training list.',
    );
    expect(text).not.toContain('model.');
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(JSON.parse(bandalign('settings', 'EPOCHS', '--json')).map(({ key }: Setting) => key)).toEqual([
      'train.epochs',
    ]);
  });
});

describe('experiments list', () => {
  test('packaged ones by name, local ones by path, and nothing local is run', () => {
    mkdirSync(join(folder, 'deep'), { recursive: true });
    const source = (body: string): string => `process.exit(9);\n${body}`;
    writeFileSync(
      join(folder, 'deep', 'mine.ts'),
      `/**\n * A model of mine. It is good.\n */\n${source("export default defineExperiment({ name: 'mine' });")}`,
    );
    writeFileSync(
      join(folder, 'many.ts'),
      `// Many of them: all.\n${source('export default defineSweep({});')}`,
    );
    writeFileSync(join(folder, 'other.ts'), source('export default 1;'));
    const listed = JSON.parse(bandalign('experiments', 'list', '--json'));
    expect(listed).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'demo/recommended', kind: 'experiment', isPackaged: true }),
        expect.objectContaining({ name: 'ablation-short', kind: 'sweep', isPackaged: true }),
        { name: './deep/mine.ts', kind: 'experiment', isPackaged: false, about: 'A model of mine' },
        { name: './many.ts', kind: 'sweep', isPackaged: false, about: 'Many of them: all' },
      ]),
    );
    const names = listed.map(({ name }: { name: string }) => name);
    expect(names).not.toContain('./other.ts');
    expect(names).not.toContain('demo/recipe');
    for (const { about } of listed) expect(about).not.toBe('');
    expect(bandalign('experiments', 'list')).toMatch(/^name .*\n.*\n/);
  });
});
