import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { projectedGeoreference, writeGeoTiff } from 'bandalign';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const main = join(root, 'dist/cli/main.js');
let folder: string;

/** What the command line answers in an empty folder that has the documentation's files, JSON where asked. */
const bandalign = async (...words: string[]): Promise<{ code: number; out: string; errors: string }> => {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, ...words], {
      cwd: folder,
      env: { ...process.env, BANDALIGN_CACHE: join(folder, 'cache'), BANDALIGN_THREADS: '1' },
      maxBuffer: 2 ** 26,
    });
    return { code: 0, out: stdout, errors: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, errors: stderr };
  }
};

const json = async (...words: string[]) => {
  const { code, out, errors } = await bandalign(...words, '--json', '--quiet');
  expect(errors + out).not.toMatch(/^bandalign: /m);
  expect(code).toBe(0);
  return JSON.parse(out);
};

/** The files of docs/extending.md, as they stand there. */
const documented = async (): Promise<Map<string, string>> => {
  const text = await readFile(join(root, 'docs/extending.md'), 'utf8');
  return new Map([...text.matchAll(/```ts file=(\S+)\n(.*?)```/gs)].map(([, name, code]) => [name, code]));
};

const scene = async (): Promise<string> => {
  const path = join(folder, 'scene.tif');
  const size = 64 * 48;
  await writeGeoTiff(path, {
    width: 64,
    height: 48,
    bands: [400, 600, 700, 2500].map((level) =>
      Uint16Array.from({ length: size }, (_, i) => level + ((i * 37) % 300)),
    ),
    georeference: projectedGeoreference(32650, 500000, 4400000, 16),
  });
  return path;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-guide-'));
  for (const [name, code] of await documented()) await writeFile(join(folder, name), code);
  // as installed
  await mkdir(join(folder, 'node_modules'));
  await symlink(root, join(folder, 'node_modules/bandalign'));
  await json('dataset', 'synth', 'data', '--tiles', '12', '--patches', '2', '--size', '48', '--seed', '3');
  await scene();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('the documented files are short: a model in 30 lines, a network in 40', async () => {
  const files = await documented();
  expect(files.get('mean-shift.ts')!.trim().split('\n').length).toBeLessThanOrEqual(30);
  expect(files.get('mlp.ts')!.trim().split('\n').length).toBeLessThanOrEqual(40);
});

describe.each([
  ['mean-shift', false],
  ['mlp', true],
])('%s', (name, isTrained) => {
  const file = `./${name}.ts`;
  const weights = `outputs/${name}/checkpoints/best.safetensors`;

  test('trains, and its weights test to its own scores where its file is named', async () => {
    const run = await json('train', file, '--data', 'data', '--tag', name);
    expect(run.kind).toBe(name);
    expect(run.training === null).toBe(!isTrained);
    const score = await json('test', '--run', name, '--model', file, '--data', 'data');
    expect(score.rmse).toEqual(run.test.rmse);
    expect((await json('test', '--weights', weights, '--model', file, '--data', 'data')).rmse).toEqual(
      score.rmse,
    );
  });

  test('runs nothing that was not named, and no other file in its place', async () => {
    const unnamed = await bandalign('test', '--weights', weights, '--data', 'data');
    expect(unnamed.code).toBe(2);
    expect(unnamed.errors.trim()).toMatch(
      new RegExp(`^bandalign: model: ${name}; /.*/${name}\\.ts defines it, --model FILE runs that file`),
    );
    await writeFile(join(folder, 'changed.ts'), `${(await documented()).get(`${name}.ts`)}// changed\n`);
    const changed = await bandalign(
      'test',
      '--weights',
      weights,
      '--model',
      './changed.ts',
      '--data',
      'data',
    );
    expect(changed.code).toBe(2);
    expect(changed.errors).toMatch(/^bandalign: model: .*; \/.*changed\.ts is not the file that defined it/m);
  });

  test('applies to a scene', async () => {
    await json(
      'apply',
      'scene.tif',
      '--weights',
      weights,
      '--model',
      file,
      '--boa-offset',
      '0',
      '--out',
      `${name}.tif`,
    );
    const item = JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8'));
    expect(JSON.stringify(item)).toContain(name);
  });
});

test('a network that is killed goes on from its last checkpoint to the same weights', async () => {
  const words = ['train', './mlp.ts', '--data', 'data', '--tag', 'killed', '--set', 'train.epochs=12'];
  const child = spawn(process.execPath, [main, ...words], {
    cwd: folder,
    env: { ...process.env, BANDALIGN_CACHE: join(folder, 'cache'), BANDALIGN_THREADS: '1' },
    stdio: 'ignore',
  });
  const log = join(folder, 'outputs/killed/metrics.jsonl');
  const ended = new Promise((resolve) => child.on('close', resolve));
  while (child.exitCode === null) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const text = await readFile(log, 'utf8').catch(() => '');
    if (text.split('\n').length > 3) break;
  }
  child.kill('SIGKILL');
  await ended;
  const resumed = await json(...words, '--resume');
  const whole = await json(...words.map((word) => (word === 'killed' ? 'whole' : word)));
  expect(resumed.weights.digest).toBe(whole.weights.digest);
});

test('a penalty weighs on training and is logged, a metric is scored', async () => {
  const run = await json('train', './curvature.ts', '--data', 'data', '--tag', 'curved');
  expect(run.test.relative).toHaveLength(4);
  const log = await readFile(join(folder, 'outputs/curved/metrics.jsonl'), 'utf8');
  const [first] = log.split('\n').map((line) => JSON.parse(line || 'null'));
  expect(first.curvature).toBeGreaterThan(0);
  expect(first.loss).toBeCloseTo(first.mse + 1e-4 * first.curvature, 0);
});

test('a sweep of one’s own models ends in a table with intervals', async () => {
  await json('sweep', './own-sweep.ts', '--data', 'data', '--results', 'results', '--jobs', '1');
  const table = await readFile(join(folder, 'results/own.md'), 'utf8');
  for (const row of ['hidden=8', 'hidden=32', 'mean-shift', 'global-lut']) expect(table).toContain(row);
  expect(table).toMatch(/±/);
});

describe('a fault is one line that says what to do', () => {
  const faulty: [string, string, RegExp][] = [
    [
      'a kind that exists',
      "import { defineModel } from 'bandalign';\nexport default { model: defineModel({ kind: 'linear', settings: {}, fit: () => null }).configure() };",
      /model: linear; exists already, choose another name/,
    ],
    ['a file that throws', "throw new Error('no luck');", /file: .*; it does not run: no luck/],
    [
      'a setting that the model does not have',
      "import { defineModel, z } from 'bandalign';\nconst m = defineModel({ kind: 'mine', settings: { depth: z.int().default(1) }, fit: () => null });\nexport default { model: { kind: 'mine', dept: 2 } };",
      /unknown setting: model\.dept=2; did you mean depth\?/,
    ],
    [
      'a forward pass of another shape',
      "import { defineModel } from 'bandalign';\nconst m = defineModel({ kind: 'flat', settings: {}, network: { init: () => ({ w: { shape: [1], values: [0] } }), forward: ({ weights }) => weights.w } });\nexport default { model: m.configure() };",
      /model: flat; its forward gives \[1\], not \[4, 4, 256\] \(samples, bands, knots\)/,
    ],
    [
      'a penalty whose gradient is not that of its value',
      "import { definePenalty } from 'bandalign';\ndefinePenalty({ name: 'wrong', of: (lut) => ({ value: lut.reduce((a, b) => a + b * b, 0), gradient: lut.slice() }) });\nexport default { model: { unet: { width: 2, depth: 1, norm: 'group', groups: 2 } }, loss: { wrong: 1 }, train: { epochs: 1 } };",
      /penalty: wrong; its gradient is not that of its value/,
    ],
    [
      'a penalty whose gradient has another shape',
      "import { definePenalty } from 'bandalign';\ndefinePenalty({ name: 'short', of: () => ({ value: 1, gradient: new Float32Array(3) }) });\nexport default { model: { unet: { width: 2, depth: 1, norm: 'group', groups: 2 } }, loss: { short: 1 }, train: { epochs: 1 } };",
      /penalty: short; its gradient has 3 values, not 2048/,
    ],
    [
      'a metric that gives no number',
      "import { defineMetric } from 'bandalign';\ndefineMetric({ name: 'none', label: 'none', digits: 1, best: null, of: () => NaN });\nexport default { model: { kind: 'identity' } };",
      /metric: none; it gave NaN/,
    ],
  ];
  test.each(faulty)('%s', async (what, code, line) => {
    const name = `${what.replaceAll(' ', '-')}.ts`;
    await writeFile(join(folder, name), code);
    const { code: exit, errors } = await bandalign(
      'train',
      `./${name}`,
      '--data',
      'data',
      '--tag',
      name,
      '--quiet',
    );
    expect(errors).toMatch(line);
    expect(errors).not.toMatch(/\n\s+at /);
    expect(exit).toBe(2);
  });

  test('a file that is missing, or defines no model', async () => {
    const weights = 'outputs/mlp/checkpoints/best.safetensors';
    const missing = await bandalign(
      'test',
      '--weights',
      weights,
      '--model',
      './nowhere.ts',
      '--data',
      'data',
    );
    expect(missing.errors).toMatch(/^bandalign: --model: \.\/nowhere\.ts; no such file$/m);
    await writeFile(join(folder, 'empty.ts'), 'export default {};');
    const empty = await bandalign('test', '--weights', weights, '--model', './empty.ts', '--data', 'data');
    expect(empty.errors).toMatch(/^bandalign: --model: \.\/empty\.ts; it defines no model and no metric/m);
    expect([missing.code, empty.code]).toEqual([2, 2]);
  });
});
