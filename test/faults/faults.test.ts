import { cpSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openCache } from '../../src/dataset/cache.js';
import { openDataset } from '../../src/dataset/layout.js';
import type { ExperimentInput } from '../../src/experiments/experiment.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { writeJson } from '../../src/files.js';
import { makeRun } from '../../src/training/run.js';
import { withFailure } from './file-layer.js';
import { filesOf, testWhole } from './whole.js';

let folder: string;
let root: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-faults-'));
  root = join(folder, 'data');
  cpSync(fileURLToPath(new URL('../fixtures/parity/data', import.meta.url)), root, { recursive: true });
});
afterAll(async () => {
  delete process.env['BANDALIGN_CACHE'];
  await rm(folder, { recursive: true });
});

testWhole('packing', () => folder, {
  make: async (_, version) => {
    const { data } = resolveExperiment({});
    const dataset = await openDataset(root, data);
    const all = dataset.all.slice(0, 2 + 2 * version);
    await (await openCache({ dataset: { all }, data, knots: 16, pixels: true })).close();
  },
});

const small: ExperimentInput = {
  model: { kind: 'unet-lut', unet: { width: 2, depth: 2 } },
  train: { epochs: 3, validateEvery: 1, checkpointEvery: 1, keep: 2 },
};

const run = (at: string, input: ExperimentInput, more: { resume?: boolean; overwrite?: boolean }) =>
  makeRun({
    experiment: resolveExperiment(input),
    root,
    tag: 'run',
    outputDir: join(at, 'outputs'),
    onProgress: () => {},
    onNote: () => {},
    ...more,
  });

/** The files of a run that grow with it: what they hold is whole, and neither version's last. */
const ofRun = /checkpoints\/|metrics\.jsonl|system\.jsonl|run\.json/;

testWhole('a run anew in the place of another', () => folder, {
  make: (at, version) => run(at, { ...small, seed: version }, { overwrite: true }),
  grows: ofRun,
});

testWhole('a linear run beside another', () => folder, {
  make: (at, version) =>
    makeRun({
      experiment: resolveExperiment({ model: { kind: 'linear' } }),
      root,
      tag: `run-${version}`,
      outputDir: join(at, 'outputs'),
      resume: true,
      onProgress: () => {},
      onNote: () => {},
    }),
  grows: ofRun,
});

testWhole('a run that goes on', () => folder, {
  make: async (at, version) => {
    // the first process is stopped in its second epoch
    const controller = new AbortController();
    const stopped = makeRun({
      experiment: resolveExperiment(small),
      root,
      tag: 'run',
      outputDir: join(at, 'outputs'),
      resume: true,
      signal: controller.signal,
      onProgress: ({ note }) => {
        if (version === 1 && note?.startsWith('epoch 2/')) controller.abort(new Error('stop'));
      },
      onNote: () => {},
    });
    if (version === 2) return stopped;
    await expect(stopped).rejects.toThrow('stop');
  },
  grows: ofRun,
});

test('the layer fails the call that it is told', async () => {
  const at = join(folder, 'layer');
  const write = () => writeJson(join(at, 'a', 'b.json'), { a: 1 });
  const { calls } = await withFailure(at, Number.POSITIVE_INFINITY, 'EIO', write);
  expect(calls).toBeGreaterThanOrEqual(5);
  await rm(at, { recursive: true });
  await mkdir(at);
  for (let n = 0; n < calls; n++) {
    const { error } = await withFailure(at, n, 'ENOSPC', write);
    // flushing a folder is as good as the file system can
    if (error === null) continue;
    expect(error).toMatchObject({ code: 'ENOSPC' });
    expect(await filesOf(at)).toEqual([]);
  }
});
