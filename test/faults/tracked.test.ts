import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { runExperiment } from '../../src/run-experiment.js';
import { openDestination } from '../../src/tracking/send.js';
import type { EpochRecord } from '../../src/training/fit.js';
import { readLines } from '../../src/training/result.js';
import { realServer, restHistory, restRuns } from '../tracking/rest.js';
import { type Failure, withFailure } from './file-layer.js';
import { buryOwners, failingCalls, longest } from './whole.js';

const root = fileURLToPath(new URL('../fixtures/parity/data', import.meta.url));
const epochs = 6;
const experiment = resolveExperiment({
  model: { kind: 'unet-lut', unet: { width: 2, depth: 2 } },
  train: { epochs, validateEvery: 1, checkpointEvery: 1, keep: 2 },
});

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bandalign-tracked-'));
});
afterAll(async () => {
  delete process.env['BANDALIGN_CACHE'];
  await rm(folder, { recursive: true });
});

/** Makes or continues the run in a folder, followed by the server; the layer's failure ends its sending as a kill would. */
const follow = (at: string, name: string, n: number, failure: Failure) => {
  process.env['BANDALIGN_CACHE'] = join(at, 'cache');
  const killed = new AbortController();
  const destination = openDestination(realServer!, () => {}, {
    env: { MLFLOW_EXPERIMENT_NAME: name },
    signal: killed.signal,
  });
  const work = () =>
    runExperiment({
      ...{ experiment, root, tag: 'run', outputDir: join(at, 'outputs'), resume: true, destination },
      ...{ onProgress: () => {}, onNote: () => {} },
    });
  const onFailure = (): void => {
    if (failure === 'kill') killed.abort(new Error('killed'));
  };
  return withFailure(at, n, failure, work, onFailure);
};

describe.skipIf(!realServer)('a run that an MLflow server follows', () => {
  test.each(['ENOSPC', 'EIO', 'kill'] as const)(
    '%s at any call: after the next run the server has it once, whole, and each point once',
    async (failure) => {
      const first = join(folder, 'first');
      await mkdir(first);
      const { calls } = await follow(first, `calls ${randomBytes(4).toString('hex')}`, 1e9, 'EIO');
      for (const n of failingCalls('tracked', failure, calls, 4)) {
        const name = `${failure} ${n} ${randomBytes(4).toString('hex')}`;
        const at = join(folder, name.replaceAll(' ', '-'));
        await mkdir(at);
        await follow(at, name, n, failure);
        await buryOwners(at);
        expect((await follow(at, name, 1e9, 'EIO')).error, name).toBeNull();
        const runs = await restRuns(realServer!, name);
        expect(
          runs.map(({ info }) => info.status),
          name,
        ).toEqual(['FINISHED']);
        const points = await restHistory(realServer!, runs[0].info.run_id, 'train/loss');
        const records = await readLines<EpochRecord>(join(at, 'outputs/run/metrics.jsonl'));
        expect(
          points.sort((a, b) => a.step - b.step).map(({ value }) => value),
          name,
        ).toEqual(records.map(({ loss }) => loss));
        expect(points).toHaveLength(epochs);
      }
      await rm(first, { recursive: true });
    },
    longest,
  );
});
