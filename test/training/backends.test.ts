import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { gpuDevice, loseDevice } from '../../src/engine/webgpu/device.js';
import type { ExperimentInput } from '../../src/experiments/experiment.js';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { reason } from '../../src/fault.js';
import type { BackendName } from '../../src/training/backends.js';
import type { EpochRecord } from '../../src/training/fit.js';
import { openBackend } from '../../src/training/open-stepper.js';
import { readLines } from '../../src/training/result.js';
import { makeRun, type RunOptions } from '../../src/training/run.js';
import { runFolder } from '../../src/training/run-folder.js';
import { useTestDriver } from '../engine/test-driver.js';

const data = fileURLToPath(new URL('../fixtures/parity/data', import.meta.url));
let folder: string;
beforeAll(async () => {
  useTestDriver();
  folder = await mkdtemp(join(tmpdir(), 'bandalign-backends-'));
  process.env['BANDALIGN_CACHE'] = join(folder, 'cache');
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => {
  delete process.env['BANDALIGN_DEVICE_MEMORY'];
});

const input: ExperimentInput = {
  model: { conv: true, unet: { width: 4, depth: 2, norm: 'group', input: 'sqrt', output: 'correction' } },
  loss: { tv: 0.01, monotonicity: 0.01 },
  train: { epochs: 3, validateEvery: 1, checkpointEvery: 1, keep: 3 },
};

const train = (tag: string, backend: BackendName, more: Partial<RunOptions> = {}) =>
  makeRun({
    experiment: resolveExperiment({ ...input, backend }),
    root: data,
    tag,
    outputDir: join(folder, 'outputs'),
    onProgress: () => {},
    onNote: () => {},
    ...more,
  });

const folderOf = (tag: string) => runFolder(tag, join(folder, 'outputs'));
const losses = async (tag: string) =>
  (await readLines<EpochRecord>(folderOf(tag).metrics)).map(({ loss, val }) => [loss, val!.mse]);

/** Why a backend does not work, null where it does. One that was brought for the tests must. */
const works = (name: BackendName): Promise<string | null> =>
  openBackend(resolveExperiment({ backend: name })).then(
    () => null,
    (error: unknown) => {
      if (process.env[`BANDALIGN_TEST_${name.toUpperCase()}`]) throw error;
      return reason(error);
    },
  );

describe.each(['wasm', 'webgpu', 'tensorflow'] as const)('a run with pixels on %s', (backend) => {
  test('is that of cpu, wherever its patches are kept, and leaves none', async (context) => {
    const why = await works(backend);
    if (why !== null) return context.skip(why);
    await train(`cpu-for-${backend}`, 'cpu');
    const before = tf.memory().numTensors;
    const kept: number[][] = [];
    // all, some and none of the patches stay on the device
    for (const room of ['100', '0.1', '0']) {
      process.env['BANDALIGN_DEVICE_MEMORY'] = room;
      await train(`${backend}-${room}`, backend);
      kept.push((await losses(`${backend}-${room}`)).flat());
      expect(tf.memory().numTensors).toBe(before);
    }
    for (const others of kept.slice(1)) expect(others).toEqual(kept[0]);
    const expected = (await losses(`cpu-for-${backend}`)).flat();
    for (const [i, loss] of kept[0].entries()) expect(Math.abs(loss / expected[i] - 1)).toBeLessThan(5e-3);
  });
});

describe('a graphics card', () => {
  const trouble = {
    'that falls off its bus': loseDevice,
    'that runs out of memory': () => {
      gpuDevice().createBuffer({ label: 'too large', size: 2 ** 40, usage: 0x80 });
    },
  };
  test.for(Object.entries(trouble))(
    '%s in the middle of a run: said, the last checkpoint whole, and cpu goes on',
    async ([name, happen], context) => {
      const why = await works('webgpu');
      if (why !== null) return context.skip(why);
      const tag = name.replaceAll(' ', '-');
      let done = false;
      const run = train(tag, 'webgpu', {
        onProgress: ({ stage, note }) => {
          if (done || stage !== 'training' || !note?.startsWith('epoch 2/')) return;
          done = true;
          happen();
        },
      });
      await expect(run).rejects.toThrow(
        /^backend: webgpu failed \(.+\); the last checkpoint is kept, --resume --backend cpu goes on$/,
      );
      expect(done).toBe(true);
      expect(await losses(tag)).toHaveLength(1);
      const first = (await losses(tag))[0];
      await readFile(folderOf(tag).last);
      await train(tag, 'cpu', { resume: true });
      expect(await losses(tag)).toHaveLength(3);
      expect((await losses(tag))[0]).toEqual(first);
    },
  );
});

test('device memory that is no number is a fault', async (context) => {
  const why = await works('webgpu');
  if (why !== null) return context.skip(why);
  process.env['BANDALIGN_DEVICE_MEMORY'] = 'much';
  await expect(train('much', 'webgpu')).rejects.toThrow(
    'BANDALIGN_DEVICE_MEMORY: much; MiB of pixels kept on the device, 0 or more',
  );
});
