import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import { requireBuild } from '../sweeps/built-sweep.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const main = here('../../dist/cli/main.js');
const data = here('../fixtures/parity/data');
const weights = here('../fixtures/parity/reference/epochs_0.pth');

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
     const { createReadStream } = fs;
     let left = 5;
     const tell = (path) => {
       left -= /[.](csv|ipynb|jsonl)$/.test(path) ? 5 : /[.]tif$/.test(path) ? 1 : 0;
       if (left <= 0 && left > -5) process._rawDebug('at work');
     };
     fs.promises.open = (path, ...words) => { tell(String(path)); return open(path, ...words); };
     fs.createReadStream = (path, ...words) => { tell(String(path)); return createReadStream(path, ...words); };
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

let calls = 0;

/** Whether any process of a group is there. */
const isThere = (group: number): boolean => {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
};

/** What is left of a process group. Linux tells of children in other groups too, by the variable in their environment. */
const leftOf = (group: number, variable: string): string[] => {
  if (process.platform !== 'linux') return isThere(group) ? [`group ${group}`] : [];
  const read = (id: string, name: string): string => {
    try {
      return readFileSync(`/proc/${id}/${name}`, 'latin1');
    } catch {
      return ''; // it has ended
    }
  };
  // `id (name) state parent group …`
  const groupOf = (id: string): number => Number(/^.*\) \S \d+ (\d+)/s.exec(read(id, 'stat'))?.[1]);
  return (
    readdirSync('/proc')
      .filter((id) => groupOf(id) === group || read(id, 'environ').split('\0').includes(variable))
      // one that has ended and that the system has not noticed yet has no words
      .map((id) => read(id, 'cmdline').replaceAll('\0', ' '))
      .filter((words) => words !== '')
  );
};

/** What the process has said, or done by now; or a time, ms. */
type When = RegExp | number | (() => boolean);

/** Runs `bandalign`, and sends a signal when the moment has come. */
const interrupted = async (
  words: readonly string[],
  {
    when,
    name = 'SIGTERM',
    node = [],
    cache = 'cache',
    env = {},
  }: { when: When; name?: NodeJS.Signals; node?: string[]; cache?: string; env?: NodeJS.ProcessEnv },
): Promise<Ended> => {
  const mark = `${process.pid}-${++calls}`;
  const child = spawn(process.execPath, [...node, main, ...words], {
    cwd: folder,
    env: {
      ...process.env,
      ...{ BANDALIGN_CACHE: join(folder, cache), MLFLOW_TRACKING_URI: '', BANDALIGN_TEST_MARK: mark },
      ...env,
    },
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
  const look = typeof when === 'function' ? setInterval(() => (when() ? send() : undefined), 20) : undefined;
  const [code, signal] = await new Promise<[number | null, string | null]>((done) =>
    child.on('close', (...end) => done(end)),
  );
  clearInterval(look);
  expect(sent, `it ended before the signal: ${stderr}`).toBeDefined();
  const seconds = (performance.now() - sent!) / 1000;
  const left = (): string[] => leftOf(child.pid!, `BANDALIGN_TEST_MARK=${mark}`);
  await expect.poll(left, { timeout: 500, message: stderr }).toEqual([]);
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

  const inBackground = { BANDALIGN_THREADS: '1' };
  const deaf = (): Promise<string[]> =>
    preload(
      'deaf',
      `import fs from 'node:fs';
       import { syncBuiltinESMExports } from 'node:module';
       const { open } = fs.promises;
       fs.promises.open = async (...words) => {
         if (String(words[0]).includes('metrics.jsonl')) {
           fs.writeFileSync(${JSON.stringify(join(tmpdir(), `bandalign-deaf-${process.pid}`))}, '');
           for (;;) Math.random();
         }
         return open(...words);
       };
       syncBuiltinESMExports();`,
    );
  const stood = join(tmpdir(), `bandalign-deaf-${process.pid}`);
  afterAll(() => rm(stood, { force: true }));

  interface More {
    env?: NodeJS.ProcessEnv;
    /** Modules that children load first, too. */
    inChildren?: () => Promise<string[]>;
    /** A second call goes on, to its end, and this is then there. */
    makes?: string;
    again?: string[];
  }
  const apply = ['apply', 'scene.tif', '--weights', weights, '--boa-offset', '0', '--out'];
  const table: [what: string, words: string[], when: When, more?: More][] = [
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
    [
      'a sweep whose trials hear nothing',
      ['sweep', 'deaf.ts', '--data', data, '--jobs', '2'],
      () => existsSync(stood),
      { inChildren: deaf, again: ['--resume'], makes: 'outputs/deaf/experiment-s1/result.json' },
    ],
    [
      'the whole comparison',
      [...'reproduce --data large --no-notebooks'.split(' '), '--results', 'res'],
      /rows|packing/,
    ],
    [
      'comparing runs',
      ['runs', 'compare', '--output-dir', 'runs', '--statistics', '--draws', '100000000'],
      /at work/,
    ],
    ['aligning a scene', [...apply, 'aligned.tif'], /histogram/, { makes: 'aligned.tif' }],
    // progress of what comes then may be told at its end alone
    ['aligning a scene in one thread', [...apply, 'one.tif'], /histogram/, { env: inBackground }],
    ['a catalog', ['temporal', 'catalog.csv', '--out', 'report'], /at work/, { makes: 'report/report.html' }],
    [
      'a page',
      ['notebook', 'export', 'large.ipynb', '--out', 'page.html'],
      /at work/,
      { makes: 'page.html' },
    ],
    ['a kernel that starts', ['notebook', 'run', 'endless.ipynb', '--out', 'out.ipynb'], /at work/],
    ['a cell without end', ['notebook', 'run', 'endless.ipynb', '--out', 'out.ipynb'], 4000],
    ['a program that a cell runs', ['notebook', 'run', 'sleeping.ipynb', '--out', 'out.ipynb'], 4000],
  ];
  test.each(table)(
    'end %s within a second',
    async (what, words, when, { env = {}, inChildren, again = [], makes } = {}) => {
      await prepare();
      // what another case has packed would be no work
      const cache = `cache of ${what}`;
      const options = (await inChildren?.()) ?? [];
      const { code, stderr, seconds } = await interrupted(words, {
        when,
        cache,
        env: options.length > 0 ? { ...env, NODE_OPTIONS: options.join(' ') } : env,
        node: await sayWhenAtWork(),
      });
      // null: it was ended before it had begun
      expect([1, null], `${what}: ${stderr}`).toContain(code);
      expect(seconds, `${what}: ${stderr}`).toBeLessThan(most);
      const names = await readdir(folder, { recursive: true });
      expect(names.filter((name) => /\.tmp$|\.partial|lock$/.test(name))).toEqual([]);
      if (makes === undefined) return;
      expect(existsSync(join(folder, makes))).toBe(false);
      expect(await finished([...words, ...again])).toBe(0);
      expect(existsSync(join(folder, makes))).toBe(true);
    },
    180_000,
  );

  test('a comparison that is killed takes its rows along', async () => {
    await prepare();
    const words = 'reproduce --data large --no-notebooks --results killed --output-dir killed'.split(' ');
    const atWork = (): boolean =>
      existsSync(join(folder, 'killed')) && readdirSync(join(folder, 'killed')).length > 2;
    const { signal, stderr } = await interrupted(words, {
      when: atWork,
      name: 'SIGKILL',
      cache: 'cache of killed',
    });
    expect(signal, stderr).toBe('SIGKILL');
  });
});

/** Exit status of a call that nobody interrupts. */
const finished = (words: readonly string[]): Promise<number | null> => {
  const child = spawn(process.execPath, [main, ...words], {
    cwd: folder,
    env: { ...process.env, BANDALIGN_CACHE: join(folder, 'cache'), MLFLOW_TRACKING_URI: '' },
    stdio: 'ignore',
  });
  return new Promise((done) => child.on('close', done));
};

const notebook = (sources: readonly string[]): string =>
  JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec: { name: 'bandalign', display_name: 'x', language: 'typescript' } },
    cells: sources.map((source, k) => ({
      cell_type: 'code',
      id: `c${k}`,
      metadata: {},
      execution_count: null,
      outputs: [{ output_type: 'stream', name: 'stdout', text: `${k}\n`.repeat(source.length) }],
      source,
    })),
  });

let prepared: Promise<void> | undefined;
/** What the long commands work on. */
const prepare = (): Promise<void> => {
  prepared ??= (async () => {
    const synth = ['dataset', 'synth', 'large', '--tiles', '120', '--size', '128', '--quiet'];
    expect(await finished(synth)).toBe(0);
    for (const model of ['identity', 'global-lut'])
      expect(await finished(['train', model, '--data', data, '--tag', model, '--output-dir', 'runs'])).toBe(
        0,
      );
    const band = Uint16Array.from({ length: 3000 * 3000 }, (_, i) => 300 + ((i * 7) % 2900));
    await writeGeoTiff(join(folder, 'scene.tif'), {
      ...{ width: 3000, height: 3000, bands: [band, band, band, band], nodata: 0 },
    });
    await writeFile(
      join(folder, 'sweep.ts'),
      `export default { name: 'small', base: { model: { kind: 'unet-lut' }, train: { epochs: 100000 } }, grid: {}, seeds: [1, 2] };\n`,
    );
    await writeFile(
      join(folder, 'deaf.ts'),
      `export default { name: 'deaf', base: { model: { kind: 'unet-lut' }, train: { epochs: 2 } }, grid: {}, seeds: [1, 2] };\n`,
    );
    const rows = Array.from({ length: 200_000 }, (_, k) => {
      const day = new Date(Date.UTC(2019, 0, 1 + (k % 1500))).toISOString().slice(0, 10);
      return `s${k},${31 + (k % 25)}TDE,${k % 2 === 0 ? 's2' : 'gf1'},${day}T10:00:00Z,${(k % 97) / 97}`;
    });
    await writeFile(
      join(folder, 'catalog.csv'),
      `id,tile,sensor,datetime,clear_fraction\n${rows.join('\n')}\n`,
    );
    await writeFile(join(folder, 'endless.ipynb'), notebook(['for (;;) {}']));
    await writeFile(
      join(folder, 'sleeping.ipynb'),
      notebook(['import { spawnSync } from "node:child_process"; spawnSync("sleep", ["60"]);']),
    );
    const cells = Array.from({ length: 2000 }, (_, k) =>
      `const tile${k} = { id: ${k} }; // ${'x'.repeat(60)}\n`.repeat(40),
    );
    await writeFile(join(folder, 'large.ipynb'), notebook(cells));
  })();
  return prepared;
};
