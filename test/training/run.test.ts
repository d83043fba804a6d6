import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ExperimentInput } from '../../src/experiments/experiment.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { loadExperiment } from '../../src/experiments/load.js';
import { withRaster } from '../../src/raster/read.js';
import { writeGeoTiff } from '../../src/raster/write-geotiff.js';
import type { EpochRecord } from '../../src/training/fit.js';
import { loadAligner } from '../../src/training/load-weights.js';
import { readLines } from '../../src/training/result.js';
import { makeRun, type RunOptions } from '../../src/training/run.js';
import { runFolder } from '../../src/training/run-folder.js';
import { encodeSafetensors, readSafetensors } from '../../src/training/safetensors.js';
import { testWeights } from '../../src/training/test-weights.js';

const parity = fileURLToPath(new URL('../fixtures/parity', import.meta.url));
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-run-'));
  process.env['BANDALIGN_CACHE'] = join(folder, 'cache');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const small: ExperimentInput = {
  model: { unet: { width: 4, depth: 2 } },
  train: { epochs: 6, validateEvery: 2, checkpointEvery: 2, keep: 1, ema: 0.9, schedule: 'cosine' },
};
const own: ExperimentInput = {
  ...small,
  model: { conv: true, unet: { width: 4, depth: 2, norm: 'group', input: 'sqrt', output: 'correction' } },
  loss: { tv: 0.01, monotonicity: 0.01 },
};

const run = (input: ExperimentInput, tag: string, more: Partial<RunOptions> = {}) =>
  makeRun({
    experiment: resolveExperiment(input),
    root: join(parity, 'data'),
    tag,
    outputDir: join(folder, 'outputs'),
    onProgress: () => {},
    onNote: () => {},
    ...more,
  });

const weights = (tag: string) => readSafetensors(runFolder(tag, join(folder, 'outputs')).best);
const epochs = (tag: string) => readLines<EpochRecord>(runFolder(tag, join(folder, 'outputs')).metrics);
const timeless = (records: EpochRecord[]) => records.map(({ seconds: _, time: _t, ...rest }) => rest);

describe.each([
  ['statistics', small],
  ['pixels', own],
] as const)('a run on %s', (name, input) => {
  test('stopped after any epoch and resumed, it ends with the same bits', async () => {
    const whole = await run(input, `${name}-whole`);
    for (const stop of [1, 3]) {
      const tag = `${name}-stop-${stop}`;
      const controller = new AbortController();
      const interrupted = run(input, tag, {
        signal: controller.signal,
        onProgress: ({ stage, note }) => {
          // in the middle of the epoch after `stop`
          if (stage === 'training' && note?.startsWith(`epoch ${stop + 1}/`))
            controller.abort(new Error('stop'));
        },
      });
      await expect(interrupted).rejects.toThrow('stop');
      expect(
        (await readSafetensors(runFolder(tag, join(folder, 'outputs')).last)).metadata['training'],
      ).toContain(`"epoch":${stop}`);
      const resumed = await run(input, tag, { resume: true });
      expect(resumed.result.scores).toEqual(whole.result.scores);
      expect((await weights(tag)).tensors).toEqual((await weights(`${name}-whole`)).tensors);
      expect(timeless(await epochs(tag))).toEqual(timeless(await epochs(`${name}-whole`)));
    }
  });

  test('two runs with one seed have the same bits, another seed has others', async () => {
    const again = await run(input, `${name}-again`);
    expect((await weights(`${name}-again`)).tensors).toEqual((await weights(`${name}-whole`)).tensors);
    const other = await run({ ...input, seed: 7 }, `${name}-seed`);
    expect(other.result.scores).not.toEqual(again.result.scores);
  });

  test('its weights test to its own scores', async () => {
    const { result } = await run(input, `${name}-whole`, { resume: true });
    const tested = await testWeights({
      weights: result.weights!.file,
      root: join(parity, 'data'),
      split: 'test',
      words: [],
      onProgress: () => {},
      onNote: () => {},
    });
    // through JSON, as a result is stored: a metric without pixels is null there
    expect(JSON.parse(JSON.stringify(tested.score))).toEqual(JSON.parse(JSON.stringify(result.scores.test)));
  });
});

test('weights that were changed after their run are refused', async () => {
  const { result } = await run({ model: { kind: 'linear' } }, 'changed');
  const path = result.weights!.file;
  const test = () =>
    testWeights({
      weights: path,
      root: join(parity, 'data'),
      split: 'test',
      words: [],
      onProgress: () => {},
      onNote: () => {},
    });
  await test();
  const bytes = await readFile(path);
  bytes[bytes.length - 1] ^= 1;
  await writeFile(path, bytes);
  await expect(test()).rejects.toThrow(
    /^weights: .*best\.safetensors; SHA-256 \w{12}… is not the \w{12}… that .*result\.json records: restore the file/,
  );
});

test('a finished tag is refused, resumed as it is, refused with other settings, overwritten', async () => {
  const identity: ExperimentInput = { model: { kind: 'identity' } };
  const first = await run(identity, 'finished');
  await expect(run(identity, 'finished')).rejects.toThrow(
    /^tag: finished; .* holds a finished run; --resume/,
  );
  const again = await run(identity, 'finished', { resume: true });
  expect(again).toMatchObject({ resumed: true, result: { finished: first.result.finished } });
  await expect(run({ ...identity, seed: 3 }, 'finished', { resume: true })).rejects.toThrow(
    /seed=2022 \(now 3\)/,
  );
  const fresh = await run({ ...identity, seed: 3 }, 'finished', { overwrite: true });
  expect(fresh.resumed).toBe(false);
});

test('a tag cannot lead out of the folder of runs, and what is no run is never removed', async () => {
  const identity: ExperimentInput = { model: { kind: 'identity' } };
  for (const tag of ['', '.', '..', '../up', 'a/../..', join(folder, 'outputs/absolute'), 'a//b'])
    await expect(run(identity, tag, { overwrite: true })).rejects.toThrow(/^tag: ".*"; give a name beneath /);
  const kept = join(folder, 'outputs/documents/thesis.tex');
  await mkdir(join(folder, 'outputs/documents'), { recursive: true });
  await writeFile(kept, 'chapter 1');
  await expect(run(identity, 'documents', { overwrite: true })).rejects.toThrow(
    /^--overwrite: documents; .* holds thesis\.tex and no run/,
  );
  expect(await readFile(kept, 'utf8')).toBe('chapter 1');
});

test('of two runs of one tag at once, one is refused; nothing is left of the lock', async () => {
  const both = await Promise.allSettled([
    run(small, 'twice', { resume: true }),
    run(small, 'twice', { resume: true }),
  ]);
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const refused = both.find(({ status }) => status === 'rejected') as PromiseRejectedResult;
  expect(refused.reason.message).toMatch(
    /^tag: twice; another process is writing this run \(process \d+ on /,
  );
  const names = await readdir(join(folder, 'outputs'));
  expect(names.filter((name) => name.endsWith('.lock'))).toEqual([]);
});

test('bad data leave no folder behind', async () => {
  const outputDir = join(folder, 'nothing/here');
  const options = { root: join(folder, 'nowhere'), outputDir };
  await expect(run({ model: { kind: 'identity' } }, 'x', options)).rejects.toThrow('no such folder');
  expect(existsSync(join(folder, 'nothing'))).toBe(false);
  // batch norm over one value is found before anything is written
  const deep = { data: { bins: 16 }, model: { knots: 16 }, train: { batchSize: 1 } };
  await expect(run(deep, 'x', { outputDir })).rejects.toThrow(
    /^model\.unet\.depth: 4; 16 knots .* batch of 1 /,
  );
  expect(existsSync(join(folder, 'nothing'))).toBe(false);
});

test('a run killed right after a checkpoint gets its other names when it goes on', async () => {
  const whole = await run(small, 'names-whole');
  const place = runFolder('names', join(folder, 'outputs'));
  await cp(runFolder('names-whole', join(folder, 'outputs')).folder, place.folder, { recursive: true });
  for (const path of [place.result, place.best, place.epoch(6)]) await rm(path);
  await writeFile(join(place.folder, '.0123456789ab.tmp'), 'half a fi');
  const resumed = await run(small, 'names', { resume: true });
  expect(resumed.result.scores).toEqual(whole.result.scores);
  expect(await readdir(place.checkpoints)).toEqual([
    'best.safetensors',
    'epoch-0006.safetensors',
    'last.safetensors',
  ]);
  expect(existsSync(join(place.folder, '.0123456789ab.tmp'))).toBe(false);
});

test('linear agrees with the original to nine digits', async () => {
  const { result } = await run({ model: { kind: 'linear' } }, 'linear');
  const { ols, ols_ndvi } = JSON.parse(await readFile(join(parity, 'reference/linear.json'), 'utf8')) as {
    ols: { rmse: number; r2: number }[];
    ols_ndvi: { rmse: number; r2: number };
  };
  for (const [band, { rmse, r2 }] of ols.entries()) {
    expect(Math.abs(result.scores.test.bands[band].rmse / rmse - 1)).toBeLessThan(1e-9);
    expect(Math.abs(result.scores.test.bands[band].r2 / r2 - 1)).toBeLessThan(1e-9);
  }
  expect(Math.abs(result.scores.test.ndvi!.rmse / ols_ndvi.rmse - 1)).toBeLessThan(1e-9);
});

test('original checkpoints test to the original numbers', async () => {
  const manifest = JSON.parse(await readFile(join(parity, 'reference/manifest.json'), 'utf8'));
  for (const [file, expected] of [
    ['unet-lut-conv-tv_epochs_6.pth', manifest.variants['unet-lut-conv-tv'].test],
    ['published-script_epochs_6.pth', manifest.published_script.test],
  ]) {
    const { score } = await testWeights({
      weights: join(parity, 'reference', file),
      root: join(parity, 'data'),
      split: 'test',
      words: ['model.conv=true'],
      onProgress: () => {},
      onNote: () => {},
    });
    expect(score.n).toBe(expected.n);
    for (const [band, metrics] of score.bands.entries()) {
      expect(Math.abs(metrics.rmse / expected.rmse[band] - 1)).toBeLessThan(1e-4);
      expect(Math.abs(metrics.r2 / expected.r2[band] - 1)).toBeLessThan(1e-4);
    }
    expect(Math.abs(score.ndvi!.rmse / expected.ndvi_rmse - 1)).toBeLessThan(1e-4);
    expect(Math.abs(score.ndvi!.r2 / expected.ndvi_r2 - 1)).toBeLessThan(1e-4);
  }
});

test('a loss that is not finite stops the run, names the step and leaves no result', async () => {
  // weights overflow float32 within a few steps
  const wild = run({ ...small, train: { ...small.train, lr: 1e30, epochs: 4 } }, 'wild');
  await expect(wild).rejects.toThrow(
    /^loss: (NaN|Infinity|-Infinity) at step \d+ \(epoch \d+\); lower train\.lr/,
  );
  await expect(readFile(runFolder('wild', join(folder, 'outputs')).result)).rejects.toThrow('ENOENT');
});

test('weights that the last step of an epoch made infinite do not become a checkpoint', async () => {
  // one step an epoch: its loss is finite, what it leaves is not
  const wild = run({ ...small, train: { ...small.train, lr: 1e39, batchSize: 100 } }, 'last-step');
  await expect(wild).rejects.toThrow(/^weights: not finite at step 1 \(epoch 1\); lower train\.lr/);
  expect(existsSync(runFolder('last-step', join(folder, 'outputs')).last)).toBe(false);
});

test('a patch without a valid pixel is left out and reported', async () => {
  const root = join(folder, 'masked');
  await cp(join(parity, 'data'), root, { recursive: true });
  const mask = join(root, 'South/mask/23KAB_20190927-00-00.tif');
  const { width, height, georeference } = await withRaster(mask, async (raster) => raster);
  await writeGeoTiff(mask, { width, height, bands: [new Uint8Array(width * height)], georeference });
  const notes: string[] = [];
  const { result } = await run({ model: { kind: 'linear' } }, 'masked', {
    root,
    onNote: (note) => notes.push(note),
  });
  expect(result.data.skipped).toBe(1);
  expect(notes.join('\n')).toContain('South/23KAB_20190927-00-00.tif');
});

test.each(['{"model":', '[]', 'null'])('weights whose configuration is %s are refused', async (text) => {
  const path = join(folder, 'configured.safetensors');
  await writeFile(path, encodeSafetensors(new Map(), { bandalign: text }));
  await expect(loadAligner(path)).rejects.toThrow(/^weights: .* its configuration is no JSON object; /);
});

test('weights of another shape are refused, and counted', async () => {
  const path = join(folder, 'cut.pth');
  const bytes = await readFile(join(parity, 'reference/epochs_0.pth'));
  await writeFile(path, bytes.subarray(0, bytes.length / 2));
  await expect(loadAligner(path)).rejects.toThrow(/cut\.pth/);
  await expect(loadAligner(join(parity, 'reference/epochs_0.pth'), ['model.unet.width=4'])).rejects.toThrow(
    /has unet\.inc\.double_conv\.0\.weight of shape \[8, 4, 3\] for \[4, 4, 3\], .* \(\d+ in all\); is it of this model\?$/,
  );
});

test('the published recipe freezes batch norm after the first validation', async () => {
  const published = await loadExperiment('paper/unet-lut', [
    'train.epochs=3',
    'train.validateEvery=2',
    'model.unet.width=4',
    'model.unet.depth=2',
  ]);
  await run(published, 'published');
  const state = JSON.parse(
    (await readSafetensors(runFolder('published', join(folder, 'outputs')).last)).metadata['training'],
  );
  expect(state).toMatchObject({ epoch: 3, frozen: true });
});
