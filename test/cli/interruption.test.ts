import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { requireBuild } from '../sweeps/built-sweep.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const main = here('../../dist/cli/main.js');
const data = here('../fixtures/parity/data');

let folder: string;
beforeAll(async () => {
  requireBuild();
  folder = await mkdtemp(join(tmpdir(), 'bandalign-interruption-'));
});
afterAll(() => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }));

/** Code that is given to the process to run before its own, so that the work is at a place that a test can name. */
const preload = async (name: string, code: string): Promise<string[]> => {
  const path = join(folder, `${name}.mjs`);
  await writeFile(path, code);
  return ['--import', path];
};

/** Has the process say when it has opened some of its inputs. */
const sayWhenAtWork = (): Promise<string[]> =>
  preload(
    'at-work',
    `import fs from 'node:fs';
     import { syncBuiltinESMExports } from 'node:module';
     const { open, readFile } = fs.promises;
     let left = 5;
     const tell = (path) => {
       left -= /[.]csv$/.test(path) ? 5 : /[.]tif$/.test(path) ? 1 : 0;
       if (left <= 0 && left > -5) process._rawDebug('at work');
     };
     fs.promises.open = (path, ...words) => { tell(String(path)); return open(path, ...words); };
     fs.promises.readFile = (path, ...words) => { tell(String(path)); return readFile(path, ...words); };
     syncBuiltinESMExports();`,
  );

interface Ended {
  code: number | null;
  signal: string | null;
  stderr: string;
  /** From the signal on, s. */
  seconds: number;
}

/** Runs `bandalign`, and sends a signal when it has said `when`, or after a time. */
const interrupted = async (
  words: readonly string[],
  {
    when,
    name = 'SIGTERM',
    node = [],
    cache = 'cache',
  }: { when: RegExp | number; name?: NodeJS.Signals; node?: string[]; cache?: string },
): Promise<Ended> => {
  const child = spawn(process.execPath, [...node, main, ...words], {
    cwd: folder,
    env: { ...process.env, BANDALIGN_CACHE: join(folder, cache), MLFLOW_TRACKING_URI: '' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let stderr = '';
  let sent: number | undefined;
  const send = (): void => {
    if (sent !== undefined) return;
    child.kill(name);
    sent = performance.now();
  };
  const hear = (text: Buffer): void => {
    stderr += text;
    if (when instanceof RegExp && when.test(stderr)) send();
  };
  child.stderr.on('data', hear);
  child.stdout.on('data', hear);
  if (typeof when === 'number') setTimeout(send, when);
  const [code, signal] = await new Promise<[number | null, string | null]>((done) =>
    child.on('close', (...end) => done(end)),
  );
  expect(sent, `it ended before the signal: ${stderr}`).toBeDefined();
  const seconds = (performance.now() - sent!) / 1000;
  // nothing of its group lives on
  expect(() => process.kill(-child.pid!, 0), stderr).toThrow();
  return { code, signal, stderr, seconds };
};

/** A second, and what a machine with other work on it takes to run what is due. */
const most = 1.5;

describe('SIGTERM and Ctrl-C', () => {
  test.each([
    ['SIGTERM', 'for (;;) Math.random();'],
    ['SIGINT', 'for (;;) JSON.stringify([process.argv]);'],
    ['SIGTERM', '/^(a+)+$/.test("a".repeat(60) + "b");'],
  ] as const)('%s ends a process that hears nothing (%s), and its locks are removed', async (name, loop) => {
    const tag = `loop-${loop.length}`;
    const node = await preload(
      tag,
      // the work stands still in its midst: while the run's lock is held and its folder is made
      `import fs from 'node:fs';
       import { syncBuiltinESMExports } from 'node:module';
       const { open } = fs.promises;
       fs.promises.open = async (...words) => {
         if (String(words[0]).includes('metrics.jsonl') && words[1] === 'a') { process._rawDebug('stands still'); ${loop} }
         return open(...words);
       };
       syncBuiltinESMExports();`,
    );
    const words = ['train', 'unet-lut', '--data', data, '--tag', tag, '--set', 'train.epochs=2'];
    const { code, seconds, stderr } = await interrupted(words, { when: /stands still/, name, node });
    expect(code, stderr).toBe(1);
    expect(stderr).toContain('interrupted: stopped by signal; --resume continues');
    expect(stderr).not.toContain('debugger');
    expect(seconds).toBeLessThan(most);
    const names = await readdir(join(folder, 'outputs'));
    expect(names.filter((left) => left.includes('lock'))).toEqual([]);
  });

  test('where native code computes only a kill is left, and the lock falls to the next', async () => {
    const node = await preload(
      'native',
      `import fs from 'node:fs';
       import { syncBuiltinESMExports } from 'node:module';
       import { spawnSync } from 'node:child_process';
       const { open } = fs.promises;
       fs.promises.open = async (...words) => {
         if (String(words[0]).includes('metrics.jsonl') && words[1] === 'a') {
           process._rawDebug('stands still');
           spawnSync(process.execPath, ['-e', 'setTimeout(() => {}, 20e3)'], { timeout: 3000 });
         }
         return open(...words);
       };
       syncBuiltinESMExports();`,
    );
    const words = ['train', 'unet-lut', '--data', data, '--tag', 'native', '--set', 'train.epochs=2'];
    const child = interrupted(words, { when: /stands still/, node }).catch(() => null);
    await child;
    const again = spawn(process.execPath, [main, ...words, '--resume'], {
      cwd: folder,
      env: { ...process.env, BANDALIGN_CACHE: join(folder, 'cache'), MLFLOW_TRACKING_URI: '' },
      stdio: 'ignore',
    });
    expect(await new Promise((done) => again.on('close', done))).toBe(0);
  });

  test.each([
    [
      'a long training',
      ['train', 'unet-lut', '--data', data, '--tag', 'long', '--set', 'train.epochs=100000'],
      /training/,
    ],
    [
      'a closed form',
      ['train', 'demo/recommended', '--data', 'large', '--tag', 'closed', '--output-dir', 'closed'],
      /training|packing|reading/,
    ],
    ['packing', ['dataset', 'pack', 'large'], /at work/],
    ['checking', ['dataset', 'check', 'large'], /at work/],
    ['drawing a dataset', ['dataset', 'synth', 'drawn', '--tiles', '3000'], /drawing/],
    ['a sweep', ['sweep', 'sweep.ts', '--data', data], /starting|training|small/],
    ['a catalog', ['temporal', 'catalog.csv', '--out', 'report'], /at work/],
    ['a cell without end', ['notebook', 'run', 'endless.ipynb', '--out', 'out.ipynb'], 4000],
  ] as [string, string[], RegExp | number][])(
    'end %s within a second',
    async (what, words, when) => {
      await prepare();
      // what another case has packed would be no work
      const cache = `cache of ${what}`;
      const { code, stderr, seconds } = await interrupted(words, {
        when,
        cache,
        node: await sayWhenAtWork(),
      });
      // null: it was ended before it had begun
      expect([1, null], `${what}: ${stderr}`).toContain(code);
      expect(seconds, `${what}: ${stderr}`).toBeLessThan(most);
      const names = await readdir(folder, { recursive: true });
      expect(names.filter((name) => /\.tmp$|\.partial|lock$/.test(name))).toEqual([]);
    },
    120_000,
  );
});

let prepared: Promise<void> | undefined;
/** What the long commands work on. */
const prepare = (): Promise<void> => {
  prepared ??= (async () => {
    const synth = spawn(
      process.execPath,
      [main, ...['dataset', 'synth', 'large', '--tiles', '120', '--size', '128', '--quiet']],
      { cwd: folder, stdio: 'ignore' },
    );
    expect(await new Promise((done) => synth.on('close', done))).toBe(0);
    await writeFile(
      join(folder, 'sweep.ts'),
      `export default { name: 'small', base: { model: { kind: 'unet-lut' }, train: { epochs: 100000 } }, grid: {}, seeds: [1, 2] };\n`,
    );
    const rows = Array.from({ length: 60_000 }, (_, k) => {
      const day = new Date(Date.UTC(2019, 0, 1 + (k % 1500))).toISOString().slice(0, 10);
      return `s${k},${31 + (k % 25)}TDE,${k % 2 === 0 ? 's2' : 'gf1'},${day}T10:00:00Z,${(k % 97) / 97}`;
    });
    await writeFile(
      join(folder, 'catalog.csv'),
      `id,tile,sensor,datetime,clear_fraction\n${rows.join('\n')}\n`,
    );
    await writeFile(
      join(folder, 'endless.ipynb'),
      JSON.stringify({
        nbformat: 4,
        nbformat_minor: 5,
        metadata: { kernelspec: { name: 'bandalign', display_name: 'x', language: 'typescript' } },
        cells: [
          {
            cell_type: 'code',
            id: 'a',
            metadata: {},
            execution_count: null,
            outputs: [],
            source: 'for (;;) {}',
          },
        ],
      }),
    );
  })();
  return prepared;
};
