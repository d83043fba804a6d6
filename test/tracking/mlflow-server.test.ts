import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { listRuns, readRun } from '../../src/tracking/directory/read.js';
import { createClient } from '../../src/tracking/mlflow/client.js';
import { serverSettings } from '../../src/tracking/mlflow/settings.js';
import { openTracker } from '../../src/tracking/open.js';
import { openDestination } from '../../src/tracking/sync/destination.js';
import { syncStore } from '../../src/tracking/sync/sync-store.js';
import { trackRun } from '../../src/tracking/tracker.js';
import { mlflowPython, ownServer, pairs, realServer, restArtifact, restHistory, restRuns } from './rest.js';
import { listen, startProgram, temporaryFolder, until } from './stores.js';

const execute = promisify(execFile);
const address = realServer ?? '';
const unique = (name: string): string => `${name} ${randomBytes(4).toString('hex')}`;

const openOn = async (directory: string, server = address, env: Record<string, string> = {}) => {
  const { heard, onWarning } = listen();
  return {
    heard,
    tracker: await openTracker({ env: { MLFLOW_TRACKING_URI: server, ...env }, directory, onWarning }),
  };
};

const syncTo = async (store: string, server: string) => {
  const { heard, onWarning } = listen();
  const client = createClient(serverSettings(server, {}));
  return { heard, ...(await syncStore(openDestination(client, {}, store, onWarning), store)) };
};

describe.skipIf(!realServer)('a real MLflow server', () => {
  test('everything that is logged is read back through REST', async () => {
    const store = await temporaryFolder();
    const experiment = unique('paper é 反射率');
    const { tracker, heard } = await openOn(store);
    const parent = await tracker.startRun({ experiment, name: 'sweep' });
    const big = randomBytes(40 * 2 ** 20);
    await writeFile(join(store, 'big.bin'), big);
    const child = await trackRun(
      tracker,
      {
        experiment,
        name: 'child',
        parent: parent.runId,
        startTime: 1_700_000_000_000,
        tags: { note: 'x'.repeat(7000) },
      },
      async (run) => {
        run.logParams({
          model: { kind: 'unet-lut' },
          text: 'a\n"ü',
          long: 'y'.repeat(6001),
          ...Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`p${i}`, i])),
        });
        for (let step = 0; step < 1001; step++)
          run.logMetrics(
            step,
            {
              loss: 1 / (step + 1),
              odd: [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, 1e-300][step % 5],
            },
            1_700_000_000_000 + step,
          );
        run.logInput({
          name: 'gf1',
          digest: 'abc',
          source: '/data/gf1',
          context: 'train',
          schema: { bands: 4 },
          profile: { patches: 12 },
        });
        run.logInput({ name: 'gf1', digest: 'abc', source: '/data/gf1', context: 'test' });
        await run.logTable(
          {
            columns: ['band', 'rmse'],
            data: [
              ['red', 1.5],
              ['nir', null],
            ],
          },
          'tables/test.json',
        );
        await run.logFigure({ svg: '<svg xmlns="http://www.w3.org/2000/svg"/>' }, 'figures/größe 1');
        await run.logArtifact(join(store, 'big.bin'), 'checkpoints/big.bin');
        return run;
      },
    );
    await parent.end('FINISHED');
    await tracker.close();
    expect(heard).toEqual([]);

    const runs = await restRuns(address, experiment);
    expect(runs.map((run) => [run.info.run_name, run.info.status]).sort()).toEqual([
      ['child', 'FINISHED'],
      ['sweep', 'FINISHED'],
    ]);
    const run = runs.find((one) => one.info.run_name === 'child')!;
    const above = runs.find((one) => one.info.run_name === 'sweep')!;
    const tags = pairs(run.data.tags);
    expect(tags['mlflow.parentRunId']).toBe(above.info.run_id);
    expect(tags['bandalign.localRunId']).toBe(child.runId);
    expect(tags['note']).toBe('x'.repeat(7000));
    expect(run.info.start_time).toBe(1_700_000_000_000);
    const params = pairs(run.data.params);
    expect(Object.keys(params)).toHaveLength(104);
    expect(params['text']).toBe('a\n"ü');
    // the server cuts at 6000 characters
    expect(params['long']).toBe('y'.repeat(6000));
    const loss = await restHistory(address, run.info.run_id, 'loss');
    expect(loss.sort((a, b) => a.step - b.step)).toEqual(
      Array.from({ length: 1001 }, (_, step) => ({
        step,
        value: 1 / (step + 1),
        timestamp: 1_700_000_000_000 + step,
      })),
    );
    const odd = (await restHistory(address, run.info.run_id, 'odd')).sort((a, b) => a.step - b.step);
    // its database has no infinities: the largest double stands for one
    expect(odd.slice(0, 5).map((point) => point.value)).toEqual([
      'NaN',
      Number.MAX_VALUE,
      -Number.MAX_VALUE,
      0,
      1e-300,
    ]);
    const inputs = run.inputs?.dataset_inputs ?? [];
    expect(
      inputs
        .map(
          ({ dataset, tags: context }) => `${dataset['name']}: ${dataset['digest']}, ${context?.[0].value}`,
        )
        .sort(),
    ).toEqual(['gf1 (test): abc, test', 'gf1: abc, train']);
    expect(inputs.find(({ dataset }) => dataset['name'] === 'gf1')?.dataset).toMatchObject({
      schema: '{"bands":4}',
      profile: '{"patches":12}',
      source: '{"uri":"/data/gf1"}',
    });
    expect(JSON.parse((await restArtifact(address, run, 'tables/test.json')).toString())).toEqual({
      columns: ['band', 'rmse'],
      data: [
        ['red', 1.5],
        ['nir', null],
      ],
    });
    expect((await restArtifact(address, run, 'figures/gr%C3%B6%C3%9Fe%201.svg')).toString()).toContain(
      '<svg',
    );
    expect((await restArtifact(address, run, 'checkpoints/big.bin')).equals(big)).toBe(true);
  });

  test('a directory store is synchronised with times kept, and a second time nothing is sent', async () => {
    const store = await temporaryFolder();
    const experiment = unique('sync');
    const { tracker } = await openOn(store, '');
    const parent = await tracker.startRun({ experiment, name: 'parent', startTime: 1_600_000_000_000 });
    for (let n = 0; n < 3; n++) {
      const run = await tracker.startRun({
        experiment,
        name: `child ${n}`,
        parent: parent.runId,
        startTime: 1_600_000_000_001,
      });
      for (let step = 0; step < 2500; step++)
        run.logMetrics(step, { loss: step / 7 }, 1_600_000_000_100 + step);
      await run.logArtifact(Buffer.from('x'), 'x.txt');
      await run.end(n === 0 ? 'FAILED' : 'FINISHED', 1_600_000_100_000);
    }
    await parent.end('FINISHED', 1_600_000_200_000);

    const first = await syncTo(store, address);
    expect(first).toMatchObject({
      runs: 4,
      complete: 4,
      open: 0,
      failed: [],
      points: 7500,
      files: 3,
      heard: [],
    });
    const second = await syncTo(store, address);
    expect(second).toMatchObject({ runs: 4, complete: 4, points: 0, files: 0 });
    // and without its memory of the first time it finds out what is there
    for (const run of await listRuns(store)) await rm(join(run.folder, 'bandalign.sync.json'));
    expect(await syncTo(store, address)).toMatchObject({ complete: 4, points: 0, files: 3 });

    const runs = await restRuns(address, experiment);
    expect(runs).toHaveLength(4);
    const above = runs.find((run) => run.info.run_name === 'parent')!;
    expect(above.info).toMatchObject({ start_time: 1_600_000_000_000, end_time: 1_600_000_200_000 });
    for (const run of runs.filter((one) => one !== above)) {
      expect(pairs(run.data.tags)['mlflow.parentRunId']).toBe(above.info.run_id);
      expect(run.info.status).toBe(run.info.run_name === 'child 0' ? 'FAILED' : 'FINISHED');
      const points = await restHistory(address, run.info.run_id, 'loss');
      expect(new Set(points.map((point) => point.step)).size).toBe(2500);
      expect(points).toHaveLength(2500);
      expect(Math.min(...points.map((point) => point.timestamp))).toBe(1_600_000_000_100);
    }
  });

  test('a process that is killed and resumed sends every point once', async () => {
    const store = await temporaryFolder();
    const experiment = unique('killed');
    const program = (from: number, resume: string) =>
      startProgram(`
      import { openTracker } from '../../src/tracking/open.js';
      const tracker = await openTracker({ env: { MLFLOW_TRACKING_URI: ${JSON.stringify(address)} }, directory: ${JSON.stringify(store)}, onWarning: console.error });
      const run = ${resume ? `await tracker.resumeRun('${resume}')` : `await tracker.startRun({ experiment: ${JSON.stringify(experiment)}, name: 'n' })`};
      console.log('run', run.runId);
      for (let step = ${from}; step < 400; step++) {
        run.logMetrics(step, { loss: step, other: -step });
        await new Promise((resolve) => setTimeout(resolve, 20));
        if (step % 50 === 0) console.log('at', step);
      }
      await run.end();
      await tracker.close();
      console.log('ended');
    `);
    const first = program(0, '');
    await until(() => first.output().includes('at 200'), 60);
    first.child.kill('SIGKILL');
    await first.ended;
    const id = /run (\w+)/.exec(first.output())![1];
    const second = program(150, id);
    await until(() => second.output().includes('at 300'), 60);
    second.child.kill('SIGKILL');
    await second.ended;
    const third = program(250, id);
    expect(await third.ended, third.output()).toBe(0);
    const runs = await restRuns(address, experiment);
    expect(runs).toHaveLength(1);
    expect(runs[0].info.status).toBe('FINISHED');
    for (const [key, sign] of [
      ['loss', 1],
      ['other', -1],
    ] as const) {
      const points = (await restHistory(address, runs[0].info.run_id, key)).sort((a, b) => a.step - b.step);
      expect(points.map((point) => point.value)).toEqual(
        Array.from({ length: 400 }, (_, step) => sign * step || 0),
      );
    }
  });

  test('MLFLOW_RUN_ID and MLFLOW_EXPERIMENT_ID: a run of the server goes on', async () => {
    const store = await temporaryFolder();
    const experiment = unique('given');
    const client = createClient(serverSettings(address, {}));
    const experimentId = await client.createExperiment(experiment);
    const made = await client.createRun({
      experiment_id: experimentId,
      run_name: 'theirs',
      start_time: 1_700_000_000_000,
      tags: [],
    });
    await client.logBatch(made.info.run_id, {
      metrics: [{ key: 'loss', value: 9, timestamp: 5, step: 0 }],
      params: [],
      tags: [],
    });
    const { tracker } = await openOn(store, address, {
      MLFLOW_RUN_ID: made.info.run_id,
      MLFLOW_EXPERIMENT_ID: experimentId,
    });
    const run = await tracker.startRun({ experiment: 'other', name: 'ours' });
    run.logMetrics(1, { loss: 1 });
    await run.end();
    const beside = await tracker.startRun({ experiment: 'other', name: 'second' });
    await beside.end();
    await tracker.close();
    const runs = await restRuns(address, experiment);
    expect(runs.map((one) => one.info.run_name).sort()).toEqual(['ours', 'second']);
    const points = await restHistory(address, made.info.run_id, 'loss');
    expect(points.map((point) => point.value).sort()).toEqual([1, 9]);
  });

  test('an experiment deleted on the server is named, and the run stays safe in the store', async () => {
    const store = await temporaryFolder();
    const experiment = unique('gone');
    const client = createClient(serverSettings(address, {}));
    const experiment_id = await client.createExperiment(experiment);
    await client.request({
      method: 'POST',
      path: '/api/2.0/mlflow/experiments/delete',
      json: { experiment_id },
    });
    const { tracker, heard } = await openOn(store);
    const run = await tracker.startRun({ experiment, name: 'n' });
    run.logMetrics(0, { loss: 1 });
    await run.end();
    await tracker.close();
    expect(heard.join('\n')).toContain(`experiment: ${experiment}; it was deleted on ${address}`);
    expect((await readRun(store, run.runId)).metrics['loss']).toHaveLength(1);
  });
});

describe.skipIf(!realServer)('a server that is killed', () => {
  test('twice in the middle of a run: afterwards every run and point is there once', {
    timeout: 580_000,
  }, async () => {
    const server = await ownServer(5631);
    await server.start();
    const store = await temporaryFolder();
    const { tracker, heard } = await openOn(store, server.address, { BANDALIGN_TRACKING_PATIENCE: '60' });
    const parent = await tracker.startRun({ experiment: 'outage', name: 'parent' });
    let stop = false;
    const train = async (name: string): Promise<number> => {
      const run = await tracker.startRun({ experiment: 'outage', name, parent: parent.runId });
      let step = 0;
      for (; !stop; step++) {
        run.logMetrics(step, { loss: step, rmse: step / 2 });
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
      await run.end();
      return step;
    };
    const trained = [train('a'), train('b')];
    await new Promise((resolve) => setTimeout(resolve, 6000));
    await server.kill();
    // a run begins while there is no server
    trained.push(train('c'));
    await new Promise((resolve) => setTimeout(resolve, 5000));
    await server.start();
    await new Promise((resolve) => setTimeout(resolve, 5000));
    await server.kill();
    await server.start();
    stop = true;
    const counts = await Promise.all(trained);
    await parent.end();
    await tracker.close();
    await syncTo(store, server.address);
    expect(heard.some((text) => /cannot be reached|connection broke/.test(text))).toBe(true);
    const runs = await restRuns(server.address, 'outage');
    expect(runs.map((run) => [run.info.run_name, run.info.status]).sort()).toEqual(
      ['a', 'b', 'c', 'parent'].map((name) => [name, 'FINISHED']),
    );
    for (const [at, name] of ['a', 'b', 'c'].entries()) {
      const run = runs.find((one) => one.info.run_name === name)!;
      expect(pairs(run.data.tags)['mlflow.parentRunId']).toBe(
        runs.find((one) => one.info.run_name === 'parent')!.info.run_id,
      );
      for (const key of ['loss', 'rmse']) {
        const points = await restHistory(server.address, run.info.run_id, key);
        expect(points.map((point) => point.step).sort((a, b) => a - b)).toEqual(
          Array.from({ length: counts[at] }, (_, step) => step),
        );
      }
    }
  });
});

describe.skipIf(!realServer)('MLflow’s own programs on a directory store', () => {
  const makeStore = async (): Promise<{ store: string; runId: string; parent: string }> => {
    const store = join(await temporaryFolder(), 'tracking');
    const { tracker } = await openOn(store, '');
    const above = await tracker.startRun({ experiment: 'paper é', name: '0123' });
    const run = await tracker.startRun({
      experiment: 'paper é',
      name: 'on: "quoted"\n',
      parent: above.runId,
      tags: { odd: '\u2028\u0085x' },
    });
    run.logParams({ a: { b: 1 }, empty: '' });
    for (let step = 0; step < 50; step++)
      run.logMetrics(step, {
        loss: step,
        'rmse/red': Number.NaN,
        up: Number.POSITIVE_INFINITY,
        tiny: 1e-300,
      });
    for (let n = 0; n < 50; n++) run.logMetrics(0, { same: 1 });
    run.logInput({ name: 'gf1', digest: 'abc', source: '/data', context: 'train', schema: {}, profile: {} });
    await run.logTable({ columns: ['a'], data: [[1]] }, 'tables/t.json');
    await run.end();
    await above.end();
    return { store, runId: run.runId, parent: above.runId };
  };

  const environment = {
    ...process.env,
    MLFLOW_ALLOW_FILE_STORE: 'true',
    PYTHONWARNINGS: 'ignore',
    MLFLOW_DISABLE_TELEMETRY: 'true',
  };

  test('the Python client reads all of it', { timeout: 120_000 }, async () => {
    const { store, runId, parent } = await makeStore();
    const python = await mlflowPython();
    const { stdout } = await execute(
      python,
      [
        '-c',
        `
import json, sys, mlflow
store, run_id = sys.argv[1:]
mlflow.set_tracking_uri(store)
c = mlflow.MlflowClient()
r = c.get_run(run_id)
e = c.get_experiment(r.info.experiment_id)
runs = c.search_runs([e.experiment_id], filter_string="params.\`a.b\` = '1' and metrics.loss > 40")
table = c.load_table(e.experiment_id, 'tables/t.json', run_ids=[run_id])
print(json.dumps(dict(experiments=[x.name for x in c.search_experiments()], name=r.info.run_name, status=r.info.status, params=r.data.params, tags=r.data.tags,
  found=len(runs), all=len(c.search_runs([e.experiment_id])), loss=[(m.step, m.value) for m in c.get_metric_history(run_id, 'loss')], red=str(r.data.metrics['rmse/red']), up=str(r.data.metrics['up']), tiny=r.data.metrics['tiny'],
  same=len(c.get_metric_history(run_id, 'same')), inputs=[(d.dataset.name, d.tags[0].value) for d in r.inputs.dataset_inputs], table=table.values.tolist(),
  artifacts=[a.path for a in c.list_artifacts(run_id)])))
c.set_tag(run_id, 'from', 'python')
c.update_run(run_id, name='0456')
`,
        store,
        runId,
      ],
      { env: environment },
    );
    const seen = JSON.parse(stdout) as Record<string, unknown>;
    expect(seen).toMatchObject({
      experiments: ['paper é'],
      name: 'on: "quoted"\n',
      status: 'FINISHED',
      params: { 'a.b': '1', empty: '' },
      found: 1,
      all: 2,
      red: 'nan',
      up: 'inf',
      tiny: 1e-300,
      same: 50,
      inputs: [['gf1', 'train']],
      table: [[1]],
      artifacts: ['tables'],
    });
    expect((seen['tags'] as Record<string, string>)['mlflow.parentRunId']).toBe(parent);
    expect((seen['tags'] as Record<string, string>)['odd']).toBe('\u2028\u0085x');
    expect(seen['loss']).toEqual(Array.from({ length: 50 }, (_, step) => [step, step]));
    // what Python wrote is read by us
    const back = await readRun(store, runId);
    expect(back.name).toBe('0456');
    expect(back.tags['from']).toBe('python');
  });

  test('a server on it shows it, and mlflow migrate-filestore takes it whole', {
    timeout: 200_000,
  }, async () => {
    const { store, runId } = await makeStore();
    const folder = await temporaryFolder();
    const python = await mlflowPython();
    const database = `sqlite:///${join(folder, 'm.db')}`;
    const { stdout, stderr } = await execute(
      join(python, '..', 'mlflow'),
      ['migrate-filestore', '--source', store, '--target', database],
      { env: environment },
    );
    expect(stdout + stderr).not.toMatch(/Failed|Skipping|Traceback/);
    const { stdout: counts } = await execute(python, [
      '-c',
      'import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); print([c.execute("select count(*) from " + t).fetchone()[0] for t in ("experiments", "runs", "params", "metrics", "inputs", "datasets")])',
      join(folder, 'm.db'),
    ]);
    expect(JSON.parse(counts)).toEqual([1, 2, 2, 250, 1, 1]);
    expect((await readFile(join(folder, 'm.db'))).length).toBeGreaterThan(0);

    const server = startServerOn(python, store);
    const at = await server;
    try {
      const runs = await restRuns(at.address, 'paper é');
      expect(runs).toHaveLength(2);
      expect(await restHistory(at.address, runId, 'loss')).toHaveLength(50);
      // and a store synchronised to a server that is itself a file store is not doubled, although that keeps repeats
      const other = await temporaryFolder();
      const { tracker } = await openOn(other, '');
      const run = await tracker.startRun({ experiment: 'to a file store', name: 'n' });
      for (let step = 0; step < 1500; step++) run.logMetrics(step, { loss: step / 3 });
      await run.end();
      expect(await syncTo(other, at.address)).toMatchObject({ complete: 1, points: 1500 });
      await rm(join((await listRuns(other))[0].folder, 'bandalign.sync.json'));
      expect(await syncTo(other, at.address)).toMatchObject({ complete: 1, points: 0 });
      const [there] = await restRuns(at.address, 'to a file store');
      expect(await restHistory(at.address, there.info.run_id, 'loss')).toHaveLength(1500);
    } finally {
      await at.stop();
    }
  });

  const startServerOn = async (python: string, store: string) => {
    const { spawn } = await import('node:child_process');
    const port = 5633;
    const child = spawn(
      join(python, '..', 'mlflow'),
      [
        'server',
        '--host',
        '127.0.0.1',
        '--port',
        String(port),
        '--workers',
        '1',
        '--backend-store-uri',
        store,
      ],
      {
        env: { ...environment, MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false' },
        stdio: 'ignore',
        detached: true,
      },
    );
    const there = `http://127.0.0.1:${port}`;
    await until(
      () =>
        fetch(`${there}/health`).then(
          (answer) => answer.ok,
          () => false,
        ),
      90,
    );
    return {
      address: there,
      stop: async (): Promise<void> => {
        process.kill(-child.pid!, 'SIGKILL');
        await new Promise((resolve) => child.on('exit', resolve));
      },
    };
  };
});
