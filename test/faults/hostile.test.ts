import { spawn } from 'node:child_process';
import { cpSync, existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commands } from '../../src/cli/commands.js';
import { writeNotebookFile } from '../notebook/notebook-files.js';
import { requireBuild } from '../sweeps/built-sweep.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const hostile = (name: string): string => here(`../fixtures/hostile/${name}`);
const data = here('../fixtures/parity/data');
const weights = here('../fixtures/raster-cases/model/linear.safetensors');
const main = here('../../dist/cli/main.js');

let home: string;
beforeAll(async () => {
  requireBuild();
  home = await mkdtemp(join(tmpdir(), 'bandalign-hostile-'));
  // tells at its end what it took
  await writeFile(
    join(home, 'cost.mjs'),
    `process.on('exit', () => {
       const { user, system } = process.cpuUsage();
       process._rawDebug('cost', (user + system) / 1e6, process.resourceUsage().maxRSS / 1e3);
     });`,
  );
});
afterAll(() => rm(home, { recursive: true, force: true }));

interface Ended {
  code: number | null;
  stdout: string;
  /** Without progress. */
  stderr: string;
  cpuSeconds: number;
  megabytes: number;
}

/** Runs `bandalign` in a folder, and holds it to what every command keeps, whatever it is given. */
const bandalign = async (folder: string, words: readonly string[]): Promise<Ended> => {
  const child = spawn(process.execPath, ['--import', join(home, 'cost.mjs'), main, ...words], {
    cwd: folder,
    env: {
      ...process.env,
      ...{
        HOME: join(home, 'home'),
        JUPYTER_DATA_DIR: join(home, 'jupyter'),
        BANDALIGN_CACHE: join(home, 'cache'),
      },
      ...{ MLFLOW_TRACKING_URI: '', BANDALIGN_MLFLOW: '/nonexistent', BANDALIGN_THREADS: '1' },
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let [stdout, said] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    said += text;
  });
  const code = await new Promise<number | null>((done) => child.on('close', done));
  const [, cpu = '0', mega = '0'] = /cost ([\d.]+) ([\d.]+)\n$/.exec(said) ?? [];
  const stderr = said.replace(/cost [\d. ]+\n$/, '');
  const told = `${words.join(' ')}: ${stdout}${stderr}`;
  expect([0, 1, 2], told).toContain(code);
  expect(told).not.toMatch(/unexpected:|\n {4}at |node:internal/);
  expect(stdout.replace(/[\n\t]/g, ''), told).not.toMatch(/\p{Cc}/u);
  expect(stderr.replace(/[\n\t\r]/g, ''), told).not.toMatch(/\p{Cc}/u);
  // nothing of its group lives on
  expect(() => process.kill(-child.pid!, 0), told).toThrow();
  return { code, stdout, stderr, cpuSeconds: Number(cpu), megabytes: Number(mega) };
};

const filesOf = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();

const place = async (): Promise<string> => {
  const folder = await mkdtemp(join(home, 'place-'));
  await mkdir(join(folder, 'inside'));
  return folder;
};

describe('files made to do harm', () => {
  test.each([
    ['nb-null-output.ipynb', ['notebook', 'export', hostile('nb-null-output.ipynb'), '--out', 'o.html']],
    ['nb-outputs-num.ipynb', ['notebook', 'export', hostile('nb-outputs-num.ipynb'), '--out', 'o.html']],
    ['pth-crash.pth', ['test', '--weights', hostile('pth-crash.pth'), '--data', data]],
    ['st-ctrl.safetensors', ['test', '--weights', hostile('st-ctrl.safetensors'), '--data', data]],
    ['jp2-hang.jp2', ['apply', hostile('jp2-hang.jp2'), '--weights', weights, '--out', 'o.tif']],
    ['tif-bands-1e8.tif', ['apply', hostile('tif-bands-1e8.tif'), '--weights', weights, '--out', 'o.tif']],
    ['stac-deep-20k.json', ['temporal', hostile('stac-deep-20k.json'), '--out', 'out']],
    [
      'npy-dupkeys.npy',
      ['temporal', 'masks', `s2=${hostile('npy-dupkeys.npy')}`, '--dates', 'dates.json', '--out', 'out'],
    ],
  ])('%s ends in one plain line, exit 2, within 2 s and 512 MB, and writes nothing', async (_, words) => {
    const folder = join(await place(), 'inside');
    await writeFile(join(folder, 'dates.json'), '["2020-01-05","2020-01-06"]');
    const { code, stderr, cpuSeconds, megabytes } = await bandalign(folder, words);
    expect([code, stderr.trim().split('\n').length], stderr).toEqual([2, 1]);
    expect(cpuSeconds).toBeLessThan(2);
    expect(megabytes).toBeLessThan(512);
    expect(await filesOf(folder)).toEqual(['dates.json']);
  });

  const pairOf = (file: string) => ['--set', `data.pair.source=${file}`, '--set', `data.pair.target=${file}`];
  test.each(
    ['jp2-hang.jp2', 'tif-bands-1e8.tif'].flatMap((name): [string, string, string[]][] => {
      const file = hostile(name);
      const scene = ['apply', 'scene.tif', '--weights', weights, '--boa-offset', '0', '--out', 'o.tif'];
      return [
        [name, 'training', ['train', 'linear', '--data', '.', ...pairOf(file), '--no-track']],
        [name, 'checking', ['dataset', 'check', '.', ...pairOf(file)]],
        [name, 'a mask', [...scene, '--mask', file]],
        [name, 'a grid', [...scene, '--grid', file]],
      ];
    }),
  )('%s as the input of %s: one plain line, within 2 s and 512 MB', async (_, __, words) => {
    const folder = join(await place(), 'inside');
    cpSync(here('../fixtures/raster-cases/names-b8a-rgbn/in.tif'), join(folder, 'scene.tif'));
    const { code, stderr, cpuSeconds, megabytes } = await bandalign(folder, words);
    expect(code, stderr).toBe(2);
    expect(stderr).toMatch(/^bandalign: /m);
    expect(cpuSeconds).toBeLessThan(2);
    expect(megabytes).toBeLessThan(512);
    expect(existsSync(join(folder, 'o.tif'))).toBe(false);
  });

  test('a pickle that names things to run and control bytes is one line of dataset check', async () => {
    const folder = await place();
    cpSync(data, join(folder, 'inside'), { recursive: true });
    cpSync(hostile('pk-ctrl.pickle'), join(folder, 'inside/Patch512Historam256-S2.pickle'));
    const { code, stderr } = await bandalign(folder, ['dataset', 'check', 'inside', '--quiet']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^bandalign: .*Patch512Historam256-S2\.pickle.*\n$/);
  });

  test('a cell’s name and a file type lead no picture out of the page’s folder', async () => {
    const folder = await place();
    const { code } = await bandalign(folder, [
      ...['notebook', 'export', hostile('nb-md-slip.ipynb'), '--out', 'inside/o.md'],
    ]);
    expect(code).toBe(0);
    for (const name of await filesOf(folder)) expect(name).toMatch(/^inside\/[\w./-]+\.(md|svg|png)$/);
  });

  test('markup in a picture’s data, and pictures from outside the notebook’s folder, do not reach a page', async () => {
    const folder = await place();
    cpSync(hostile('nb-localfile.ipynb'), join(folder, 'inside/local.ipynb'));
    const secret = 'a secret that no page may hold';
    await writeFile(join(folder, 'secret.png'), secret);
    for (const [input, out] of [
      [hostile('nb-xss-png.ipynb'), 'inside/xss.html'],
      ['inside/local.ipynb', 'inside/local.html'],
    ]) {
      expect((await bandalign(folder, ['notebook', 'export', input, '--out', out])).code).toBe(0);
      const page = await readFile(join(folder, out), 'utf8');
      expect(page).not.toMatch(/http-equiv=["']?refresh|8907/);
      expect(page).not.toContain(Buffer.from(secret).toString('base64'));
    }
  });

  test('what libraries warn of, with the text of a figure or a formula in it, reaches no terminal', async () => {
    const folder = await place();
    const harm = '\u001b]0;name\u0007\u009b31m';
    const figure = { data: [{ type: 'scatter', y: [1, 2], marker: { color: harm } }], layout: {} };
    await writeNotebookFile(folder, 'warns.ipynb', [
      { source: `$${harm} \ufffd$`, markdown: true },
      {
        source: 'draw()',
        outputs: [
          {
            output_type: 'display_data',
            metadata: {},
            data: { 'application/vnd.plotly.v1+json': figure, 'text/latex': `$${harm}$` },
          },
        ],
      },
    ]);
    for (const out of ['inside/o.html', 'inside/o.md'])
      expect(
        (await bandalign(folder, ['notebook', 'export', 'warns.ipynb', '--out', out, '--quiet'])).stderr,
      ).toBe('');
    expect((await filesOf(join(folder, 'inside'))).filter((name) => name.endsWith('.png'))).toHaveLength(1);
  });

  test('a formula in a catalog is no formula in a table', async () => {
    const folder = await place();
    await bandalign(folder, ['temporal', hostile('csv-formula.csv'), '--out', 'out']);
    const written = existsSync(join(folder, 'out')) ? await filesOf(join(folder, 'out')) : [];
    for (const name of written.filter((name) => name.endsWith('.csv')))
      expect(await readFile(join(folder, 'out', name), 'utf8')).not.toMatch(/(^|,|")[=@]/m);
  });
});

describe('every command keeps its word on whatever it is given', () => {
  const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 7919) % 256));
  /** Words that a person may type by mistake, or a program pass on. */
  const words = ['none', 'empty', 'bytes', 'folder', 'bad\u001b]0;name\u0007\nbandalign: done'];
  /** What a command cannot do without, so that it comes as far as its input. */
  const more: Record<string, (word: string) => string[]> = {
    train: (word) => ['unet-lut', '--data', word],
    test: (word) => ['--weights', word, '--data', word],
    apply: (word) => [word, '--weights', word, '--out', 'o.tif'],
    'apply-listed': (word) => [word, '--weights', word],
    sweep: (word) => [word, '--data', word],
    'track sync': (word) => [word, '--to', 'http://127.0.0.1:9'],
    'notebook export': (word) => [word, '--out', 'o.html'],
    temporal: (word) => [word, '--out', 'out'],
    'temporal masks': (word) => [`s2=${word}`, '--out', 'out'],
    'temporal simulate': (word) => ['--out', join(word, 'o.csv'), '--tiles', word],
    'kernel install': (word) => ['--prefix', join(word, 'x')],
    'dataset synth': (word) => [join(word, 'x'), '--tiles', word],
    reproduce: (word) => ['--data', word, '--rows', word],
    backends: (word) => ['--none', word],
  };
  test.each(Object.keys(commands))(
    '%s',
    async (command) => {
      const folder = join(await place(), 'inside');
      await writeFile(join(folder, 'empty'), '');
      await writeFile(join(folder, 'bytes'), bytes);
      await mkdir(join(folder, 'folder'));
      // smaller than the dataset that the demo draws itself, which takes it half a minute
      if (command === 'demo')
        for (const word of words.filter((name) => !['empty', 'bytes'].includes(name))) {
          const small = ['--tiles', '24', '--size', '32', '--quiet'];
          const { code } = await bandalign(folder, ['dataset', 'synth', join(word, 'dataset'), ...small]);
          expect(code).toBe(0);
        }
      for (const word of words) {
        const { code, stderr } = await bandalign(folder, [
          ...command.split(' '),
          ...(more[command]?.(word) ?? [word]),
        ]);
        if (code !== 0) expect(stderr).toMatch(/^bandalign: \S/m);
      }
      // what it wrote lies in its own folder
      expect(await readdir(dirname(folder))).toEqual(['inside']);
    },
    240_000,
  );
});
