import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { forPrograms, pathIn } from '../../src/cli/command.js';
import { commands } from '../../src/cli/commands.js';
import { helpFor } from '../../src/cli/help.js';
import { translateOriginal } from '../../src/cli/original-flags.js';
import { parseCall } from '../../src/cli/parse-call.js';
import { clock, progressLine } from '../../src/cli/show-progress.js';
import { hasColours } from '../../src/cli/terminal.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const parity = here('../fixtures/parity');
const data = join(parity, 'data');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bandalign-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Calls the built program, as `npm test` has built it. */
const bandalign = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [here('../../dist/cli/main.js'), ...args], {
    cwd: folder,
    encoding: 'utf8',
  });

describe('the frame', () => {
  test('help names every command', () => {
    const { status, stdout } = bandalign('--help');
    expect(status).toBe(0);
    for (const name of [
      'dataset synth DIR',
      'train EXPERIMENT',
      'test',
      'apply',
      'runs compare',
      'reproduce',
    ])
      expect(stdout).toContain(name);
  });

  test.each([
    [['frain'], /^bandalign: command: frain; did you mean train\? see `bandalign --help`\n$/],
    [['xyzzy'], /^bandalign: command: xyzzy; see `bandalign --help`\n$/],
    [['lst'], /^bandalign: command: lst; did you mean runs list\? see `bandalign --help`\n$/],
    [
      ['runs', 'lst'],
      /^bandalign: command: runs lst; did you mean runs list\? one of runs list, runs show, runs compare\n$/,
    ],
    [['help', 'runs', 'lst'], /^bandalign: command: runs lst; did you mean runs list\? one of /],
    [['help', 'trian'], /^bandalign: command: trian; did you mean train\? see /],
    [
      ['train', 'linear', '--set', 'model.kind=unet-lt', '--data', 'x'],
      /^bandalign: setting model\.kind: "unet-lt"; did you mean unet-lut\? allowed: one of identity, /,
    ],
    [
      ['train', 'linear', '--set', 'data.ndvi.red=rot', '--set', 'data.ndvi.nir=nri', '--data', 'x'],
      /setting data\.ndvi\.nir: "nri"; did you mean nir\? allowed: one of blue, green, red, nir, or data\.ndvi=null/,
    ],
    [
      ['train', 'recomended', '--data', 'x'],
      /^bandalign: experiment: recomended; .*did you mean recommended\? /,
    ],
    [['test', '--data', 'x', '--split', 'tset'], /^bandalign: --split: tset; did you mean test\? one of /],
    [
      ['runs', 'compare', '--metric', 'rms'],
      /^bandalign: --metric: rms; did you mean rmse\? one of rmse, r2, mae, bias\n$/,
    ],
    [
      ['sweep', 'ablation', '--data', 'x', '--executor', 'slrum'],
      /^bandalign: --executor: slrum; did you mean slurm\? /,
    ],
    [
      ['sweep', 'ablation', '--data', 'x', '--slurm', 'tiem=1'],
      /^bandalign: --slurm: tiem; did you mean time\? /,
    ],
    [['completion', 'csh'], /^bandalign: shell: csh; did you mean zsh\? one of bash, zsh, fish\n$/],
    [['settings', 'epochz'], /^bandalign: settings: epochz; did you mean epochs\? no such setting/],
    [
      ['train', 'linear', '--set', 'train.epoch=5', '--data', 'x'],
      /train\.epoch=5; did you mean epochs\? allowed here: /,
    ],
    [['train', 'linear', '--set', 'train.epochs=1e400', '--data', 'x'], /train\.epochs: Infinity; allowed: /],
    [
      ['train', 'linear', '--data', 'x', '--tag', '../up'],
      /^bandalign: tag: "\.\.\/up"; give a name beneath outputs/,
    ],
    [['train', '--train=True', '--useTVLoss=maybe'], /^bandalign: --useTVLoss: maybe; True or False\n$/],
    [
      ['train', 'linear', '--dta', 'x'],
      /^bandalign: call: unknown option '--dta'; did you mean --data\? see `bandalign train --help`\n$/,
    ],
    [['train', 'linear'], /^bandalign: --data: missing; give --data DATA\n$/],
    [['train', 'linear', 'other', '--data', 'x'], /^bandalign: call: linear other; give one experiment/],
    [['train', 'linear', '--data', 'nowhere'], /^bandalign: .*nowhere/],
    [['test', '--data', 'x'], /^bandalign: call: neither --run nor --weights/],
    [
      ['test', '--data', 'x', '--weights', 'w.bin'],
      /^bandalign: weights: w\.bin; a \.safetensors or a PyTorch \.pth file \(\.pt, \.ckpt\) is needed\n$/,
    ],
    [['runs', 'show', 'nobody'], /^bandalign: run: nobody; no such run under outputs\n$/],
    [['runs', 'compare', '--format', 'pdf'], /^bandalign: --format: pdf; one of text, md, csv, tex\n$/],
  ] as [string[], RegExp][])('%j is refused in one line', (args, message) => {
    const { status, stdout, stderr } = bandalign(...args, '--quiet');
    expect(stderr).toMatch(message);
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  });
});

/** The words of a line as a shell would part them. */
const shellWords = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain);

describe('help', () => {
  const people = Object.keys(commands).filter((path) => !forPrograms.has(path));

  test.each(people)('%s has examples that parse', async (path) => {
    const { command } = await commands[path]();
    expect(command.examples.length).toBeGreaterThan(0);
    const help = await helpFor(command.path, commands);
    for (const example of command.examples) {
      const words = shellWords(example.replace(/ >.*$/, ''));
      expect(pathIn(words, commands)).toBe(path);
      expect(() => parseCall(command, words.slice(command.path.length))).not.toThrow();
      expect(help).toContain(`bandalign ${example}`);
    }
  });

  test('`help X`, `X --help` and `X -h` are the same', () => {
    const texts = [
      ['help', 'runs', 'compare'],
      ['runs', 'compare', '--help'],
      ['runs', 'compare', '-h'],
    ].map((words) => bandalign(...words));
    for (const { status, stdout } of texts) expect([status, stdout]).toEqual([0, texts[0].stdout]);
    expect(texts[0].stdout).toContain('usage: bandalign runs compare [TAG|SWEEP…] [options]');
  });

  test('a group has the help of its commands', () => {
    for (const words of [
      ['help', 'runs'],
      ['runs', '--help'],
    ]) {
      const { status, stdout } = bandalign(...words);
      expect(status).toBe(0);
      expect(stdout).toContain('runs compare');
      expect(stdout).not.toContain('track sync');
    }
    expect(bandalign('help', 'temporal').stdout).toContain('see also: temporal masks, temporal simulate');
  });

  test('commands for programs are not among those for people', () => {
    for (const name of forPrograms) expect(bandalign('help').stdout).not.toContain(name);
  });
});

describe('--json', () => {
  test.each([
    [['trian'], 2, ['command: trian; did you mean train? see `bandalign --help`']],
    [['train', 'linear', '--dta', 'x'], 2, [/unknown option '--dta'/]],
    [['runs', 'show', 'nobody'], 2, ['run: nobody; no such run under outputs']],
    [
      ['train', 'linear', '--set', 'seed=-1', '--set', 'a=1', '--data', 'x'],
      2,
      [/^setting seed: -1/, /^unknown setting: a=1/],
    ],
  ] as [string[], number, (string | RegExp)[]][])(
    '%j: the fault is the document on stdout',
    (words, status, faults) => {
      const said = bandalign(...words, '--json');
      expect(said.status).toBe(status);
      const document = JSON.parse(said.stdout);
      expect(document.faults).toHaveLength(faults.length);
      for (const [index, fault] of faults.entries())
        expect(document.faults).toEqual(
          expect.arrayContaining([typeof fault === 'string' ? fault : expect.stringMatching(faults[index])]),
        );
      expect(document).toMatchObject({ error: document.faults.join('\n'), exitCode: status });
      expect(said.stderr).toBe(document.faults.map((line: string) => `bandalign: ${line}\n`).join(''));
    },
  );

  test('a dataset with faults prints its one document', () => {
    mkdirSync(join(folder, 'empty'), { recursive: true });
    const { stdout, status } = bandalign('dataset', 'check', 'empty', '--json', '--quiet');
    expect(status).toBe(2);
    expect(stdout.trim().split('\n')).toHaveLength(1);
    JSON.parse(stdout);
  });
});

describe('colours', () => {
  const call = (env: NodeJS.ProcessEnv): string => {
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [here('../../dist/cli/main.js'), 'help', 'trian'],
      {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], ...env },
      },
    );
    return stdout + stderr;
  };
  test('none where the output is no terminal, unless FORCE_COLOR asks for them', () => {
    expect(call({})).not.toContain('\x1b');
    expect(call({ FORCE_COLOR: '1' }).startsWith('\x1b[31mbandalign:\x1b[39m command: trian')).toBe(true);
    expect(call({ FORCE_COLOR: '0' })).not.toContain('\x1b');
    expect(call({ FORCE_COLOR: '1', NO_COLOR: '1' })).toContain('\x1b');
  });

  test.each([
    [{ isTTY: true }, {}, true],
    [{ isTTY: true }, { NO_COLOR: '1' }, false],
    [{ isTTY: true }, { NO_COLOR: '' }, true],
    [{ isTTY: true }, { TERM: 'dumb' }, false],
    [{ isTTY: true }, { FORCE_COLOR: 'false' }, false],
    [{ isTTY: false }, {}, false],
    [{ isTTY: false }, { FORCE_COLOR: 'true' }, true],
  ] as const)('on %j under %j: %s', (stream, env, expected) => {
    expect(hasColours(stream as never, env)).toBe(expected);
  });
});

describe('train, test and runs', () => {
  test('--print-config prints the resolved configuration and stops', () => {
    const { status, stdout } = bandalign(
      'train',
      'unet-lut-conv-tv',
      '--set',
      'train.epochs=5',
      '--print-config',
      '--json',
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      train: { epochs: 5, batchNorm: 'published' },
      loss: { tv: 0.01 },
    });
    expect(existsSync(join(folder, 'outputs/unet-lut-conv-tv'))).toBe(false);
  });

  test('a run, its test, its line in the list and the table', () => {
    for (const name of ['identity', 'global-lut', 'oracle'])
      expect(bandalign('train', name, '--data', data, '--quiet').status).toBe(0);
    const tested = bandalign('test', '--run', 'global-lut', '--data', data, '--json', '--quiet');
    const score = JSON.parse(tested.stdout);
    expect(Object.keys(score)).toEqual([
      'n',
      'bands',
      'rmse',
      'r2',
      'mae',
      'bias',
      'ndvi',
      'split',
      'model',
      'weights',
    ]);
    expect(score).toMatchObject({
      n: 4711,
      bands: ['blue', 'green', 'red', 'nir'],
      split: 'test',
      model: 'global-lut',
    });
    const oracle = JSON.parse(
      bandalign('test', '--run', 'oracle', '--data', data, '--json', '--quiet').stdout,
    );
    for (const [band, rmse] of oracle.rmse.entries()) expect(rmse).toBeLessThanOrEqual(score.rmse[band]);
    expect(JSON.parse(bandalign('runs', 'list', '--json').stdout)).toHaveLength(3);
    expect(bandalign('test', '--run', 'global-lt', '--data', data).stderr).toBe(
      'bandalign: --run: global-lt; did you mean global-lut? no such run under outputs\n',
    );
    expect(bandalign('runs', 'compare', '--baseline', 'idenity').stderr).toContain('did you mean identity? ');
    expect(bandalign('runs', 'compare', '--region', 'Noth').stderr).toContain(
      '--region: Noth; did you mean North? ',
    );
    const table = bandalign('runs', 'compare', 'identity', 'global-lut', 'oracle', '--draws', '50');
    expect(table.stdout).toContain('| gap closed [%] |');
    expect(table.stdout.split('\n').filter((line) => line.startsWith('| ')).length).toBe(5);
    const again = bandalign('train', 'identity', '--data', data, '--quiet');
    expect(again.stderr).toMatch(/^bandalign: tag: identity; .* holds a finished run/);
    expect(again.status).toBe(2);
  });

  test("the original's calls work as they are", () => {
    const train = bandalign(
      ...['train', '--train=True', '--useTVLoss=True', '--tag=Unet1DConv-TVLoss', `--dataRoot=${data}`],
      ...['--maxEpoch=2', '--valStep=1', '--saveFreq=1', '--batchSize=4', '--seed=3', '--quiet'],
    );
    expect(train.stderr).toBe('');
    const stored = JSON.parse(
      readFileSync(join(folder, 'outputs/Unet1DConv-TVLoss/experiment.json'), 'utf8'),
    );
    expect(stored).toMatchObject({
      seed: 3,
      model: { conv: true },
      loss: { tv: 0.01 },
      train: { epochs: 2, batchNorm: 'published' },
    });
    const tested = bandalign(
      ...[
        'test',
        '--testModel=epochs_2.pth',
        '--useTVLoss=True',
        '--tag=Unet1DConv-TVLoss',
        `--dataRoot=${data}`,
        '--json',
        '--quiet',
      ],
    );
    expect(tested.stderr).toBe('');
    expect(JSON.parse(tested.stdout)).toMatchObject({ n: 4711, model: 'unet-lut+conv' });
  });

  test('every fault of a dataset at once, nothing written', () => {
    const root = join(folder, 'broken');
    cpSync(data, root, { recursive: true });
    const list = join(root, 'divide/train.txt');
    writeFileSync(
      list,
      `${readFileSync(list, 'utf8').trim()}\nNorth/31TAA_20200105-00-00.tif\nNorth/99XXX_20200105-00-00.tif\n`,
    );
    const { status, stderr } = bandalign('train', 'linear', '--data', root, '--tag', 'broken', '--quiet');
    expect(status).toBe(2);
    expect(stderr.trim().split('\n').length).toBeGreaterThan(1);
    expect(stderr).toContain('31TAA_20200105-00-00.tif');
    expect(stderr).toContain('99XXX_20200105-00-00.tif');
    expect(existsSync(join(folder, 'outputs/broken'))).toBe(false);
  });
});

test.each([
  ['its schedules', ['--lrMode=poly'], ['--set', 'train.schedule=polynomial']],
  [
    'values that stand apart',
    ['--lrMode', 'exp', '--dataRoot', 'D'],
    ['--set', 'train.schedule=exponential', '--data', 'D'],
  ],
  ['weights of regularisers that are off', ['--lambdaSmooth=0.1', '--useTVLoss=False'], []],
] as const)('translateOriginal knows %s', (_, words, ours) => {
  expect(translateOriginal('train', [...words])).toEqual(['paper/unet-lut-conv', ...ours]);
});

test('translateOriginal takes an experiment that is named', () => {
  expect(translateOriginal('train', ['linear', '--seed=3'])).toEqual(['linear', '--set', 'seed=3']);
});

test('translateOriginal leaves our own calls alone', () => {
  const ours = ['linear', '--data', 'x', '--tag', 'y', '--set', 'a=b'];
  expect(translateOriginal('train', ours)).toEqual(ours);
  expect(translateOriginal('runs list', ['--seed=3'])).toEqual(['--seed=3']);
});

test('progress tells rate and time left', () => {
  expect(clock(75)).toBe('1:15');
  expect(clock(3675)).toBe('1:01:15');
  expect(
    progressLine({ stage: 'training', done: 30, total: 120, unit: 'steps', note: 'loss 3' }, 10, 10),
  ).toBe('training  30/120 steps  2.00 steps/s  0:45 left  loss 3');
});
