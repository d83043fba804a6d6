import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { resolveExperiment } from '../../src/experiments/experiment.js';
import { runExperiment } from '../../src/run-experiment.js';
import { openDestination } from '../../src/tracking/send.js';
import { follow, syncFolders } from '../../src/tracking/sync.js';
import { ownServer, pairs, type RestRun, realServer, restArtifact, restHistory, restRuns } from './rest.js';
import { fabricateRun, finish, logEpochs } from './run-folders.js';
import { listen, startProgram, temporaryFolder, until } from './stores.js';

const address = realServer ?? '';
/** What `npm test` has built: it starts at once. */
const built = new URL('../../dist/tracking', import.meta.url).pathname;
const unique = (name: string): string => `${name} ${randomBytes(4).toString('hex')}`;
const data = new URL('../fixtures/parity/data', import.meta.url).pathname;

const open = (experiment: string, server = address) => {
  const { heard, onWarning } = listen();
  const env = { MLFLOW_EXPERIMENT_NAME: experiment, MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: '0.2' };
  return { heard, destination: openDestination(server, onWarning, { env }) };
};

/** Everything that a server says of a run, its ids aside. */
const contents = async ({ info, data, inputs }: RestRun, keys: readonly string[]) => ({
  status: info.status,
  times: [info.start_time, info.end_time],
  params: pairs(data.params),
  tags: pairs(data.tags),
  inputs: (inputs?.dataset_inputs ?? []).map(({ dataset, tags }) => [dataset, tags]),
  metrics: await Promise.all(keys.map((key) => restHistory(address, info.run_id, key))),
});

describe.skipIf(!realServer)('a real MLflow server', () => {
  test('gets the same run live and later', { timeout: 120_000 }, async () => {
    const outputs = await temporaryFolder();
    const [live, later] = [unique('live'), unique('later')];
    const experiment = resolveExperiment({
      name: 'live-1',
      description: 'y'.repeat(6001),
      train: { epochs: 12, validateEvery: 4 },
    });
    const { destination, heard } = open(live);
    const { result } = await runExperiment({
      ...{ experiment, root: data, tag: 'n', outputDir: outputs, destination },
      ...{ onProgress: () => {}, onNote: () => {} },
    });
    expect(await syncFolders(outputs, open(later).destination)).toMatchObject({ complete: 1 });
    const [[one], [other]] = [await restRuns(address, live), await restRuns(address, later)];
    const keys = ['train/loss', 'train/lr', 'val/rmse/blue', 'test/rmse/mean', 'test/r2/ndvi', 'run/seconds'];
    const [a, b] = [await contents(one, keys), await contents(other, keys)];
    expect(a).toEqual(b);
    expect(a.status).toBe('FINISHED');
    expect(a.metrics.map((points) => points.length)).toEqual([12, 12, 3, 1, 1, 1]);
    expect(a.metrics[4][0].value).toBe(result.scores.test.ndvi!.r2);
    expect(a.tags).toMatchObject({ model: 'unet-lut', dataset: 'data', synthetic: 'false' });
    expect(a.params['description']).toBe('y'.repeat(6000));
    expect(heard).toEqual(['run n: parameter description has 6001 characters; MLflow keeps the first 6000']);
    const [lut, again] = await Promise.all(
      [one, other].map((run) => restArtifact(address, run, 'figures/lut.svg')),
    );
    expect(lut.toString()).toContain('LUT of the mean training tile, nir');
    expect(lut.equals(again)).toBe(true);
    expect(JSON.parse((await restArtifact(address, one, 'result.json')).toString()).tag).toBe('n');
    expect(await syncFolders(outputs, open(later).destination)).toMatchObject({ points: 0, files: 0 });
  });

  test('numbers that JSON does not know, odd names and bands', async () => {
    const outputs = await temporaryFolder();
    const experiment = unique('odd 反射率');
    await fabricateRun(outputs, 'on: "quoted" \u2028', {
      epochs: 5,
      values: { none: null, up: 'Infinity', down: '-Infinity', 'a(b)': 1, 'a[b]': 2, 反射率: 1e-300 },
      experiment: { data: { bands: ['blau/ä', 'b*', 'b?', 'n'], ndvi: null } },
    });
    expect(await syncFolders(outputs, open(experiment).destination)).toMatchObject({
      complete: 1,
      failed: [],
    });
    const [run] = await restRuns(address, experiment);
    const value = async (key: string) => (await restHistory(address, run.info.run_id, key))[0]?.value;
    // its database has no infinities: the largest double stands for one
    expect([await value('train/none'), await value('train/up'), await value('train/down')]).toEqual([
      'NaN',
      Number.MAX_VALUE,
      -Number.MAX_VALUE,
    ]);
    expect([await value('train/a_b_'), await value('train/a_b__'), await value('train/反射率')]).toEqual([
      1, 2, 1e-300,
    ]);
    expect([await value('test/rmse/b_'), await value('val/rmse/b_'), await value('val/rmse/b__')]).toEqual([
      2, 2, 3,
    ]);
  });

  test('a process that is killed twelve times, each time with a batch on its way, leaves each point once', {
    timeout: 300_000,
  }, async () => {
    const outputs = await temporaryFolder();
    const experiment = unique('killed');
    const epochs = 10_000;
    await fabricateRun(outputs, 'n', { epochs });
    const arrived: number[] = [];
    const count = async (): Promise<number> => {
      const [run] = await restRuns(address, experiment).catch((): RestRun[] => []);
      return run ? (await restHistory(address, run.info.run_id, 'train/loss')).length : 0;
    };
    for (let kill = 0; kill < 12; kill++) {
      const program = startProgram(
        `import { openDestination } from '${built}/send.js';
         import { syncFolders } from '${built}/sync.js';
         const send = globalThis.fetch;
         globalThis.fetch = (url, call) => {
           if (url.endsWith('log-batch') && call.body.includes('"metrics":[')) console.log('batch');
           return send(url, call);
         };
         await syncFolders(${JSON.stringify(outputs)}, openDestination(${JSON.stringify(address)}, console.error));
         console.log('all');`,
        { MLFLOW_EXPERIMENT_NAME: experiment },
      );
      // while a batch is on its way, and some way into it
      const batches = 1 + (kill % 3);
      await until(() => program.output().split('batch').length > batches, 90);
      await sleep(3 * kill);
      program.child.kill('SIGKILL');
      await program.ended;
      expect(program.output()).not.toContain('all');
      arrived.push(await count());
    }
    console.log(`epochs on the server after each kill: ${arrived.join(', ')}`);
    expect(await syncFolders(outputs, open(experiment).destination)).toMatchObject({ complete: 1 });
    const runs = await restRuns(address, experiment);
    expect(runs).toHaveLength(1);
    for (const key of ['train/loss', 'train/lr']) {
      const points = await restHistory(address, runs[0].info.run_id, key);
      expect(points.map(({ step }) => step).sort((a, b) => a - b)).toEqual(
        Array.from({ length: epochs }, (_, i) => i + 1),
      );
    }
  });
});

describe.skipIf(!realServer)('a server that is killed', () => {
  test('twice in mid-run: afterwards the run and every point is there once', {
    timeout: 300_000,
  }, async () => {
    const server = await ownServer(5631);
    await server.start();
    const outputs = await temporaryFolder();
    const folder = await fabricateRun(outputs, 'n', { epochs: 1, status: 'running' });
    const lock = join(outputs, '.n.lock');
    await writeFile(lock, JSON.stringify({ host: 'another', pid: 1 }));
    const { destination, heard } = open('outage', server.address);
    const following = follow(folder, destination, { every: 200, patience: 60 });
    let epoch = 1;
    const train = async (seconds: number): Promise<void> => {
      for (const end = Date.now() + 1000 * seconds; Date.now() < end; await sleep(40))
        await logEpochs(folder, ++epoch, epoch);
    };
    await train(2);
    await server.kill();
    await train(2);
    await Promise.all([server.start(), train(6)]);
    await server.kill();
    await Promise.all([server.start(), train(6)]);
    await rm(lock);
    await finish(folder, 'n', epoch);
    await following.end();
    expect(heard.some((text) => /cannot be reached|connection broke/.test(text))).toBe(true);
    const runs = await restRuns(server.address, 'outage');
    expect(runs.map(({ info }) => info.status)).toEqual(['FINISHED']);
    const points = await restHistory(server.address, runs[0].info.run_id, 'train/loss');
    expect(points.map(({ step }) => step).sort((a, b) => a - b)).toEqual(
      Array.from({ length: epoch }, (_, i) => i + 1),
    );
  });
});
