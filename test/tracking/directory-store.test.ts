import { appendFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listExperiments } from '../../src/tracking/directory/experiments.js';
import { metaText, readMeta } from '../../src/tracking/directory/meta.js';
import { listRuns, parsePoints, readRun } from '../../src/tracking/directory/read.js';
import { rescueStore } from '../../src/tracking/directory/rescue.js';
import { openTracker } from '../../src/tracking/open.js';
import { trackRun } from '../../src/tracking/tracker.js';
import { listen, startProgram, temporaryFolder, tree, until } from './stores.js';

const openHere = async (directory: string, env: Record<string, string> = {}) => {
  const { heard, onWarning } = listen();
  return { heard, tracker: await openTracker({ env, directory, onWarning }) };
};

test('a run lies on disk as MLflow expects it', async () => {
  const store = join(await temporaryFolder(), 'tracking');
  const { tracker, heard } = await openHere(store);
  const run = await tracker.startRun({
    experiment: 'paper',
    name: 'unet-lut',
    tags: { note: 'ü\n' },
    startTime: 1_700_000_000_123,
  });
  run.logParams({ model: { kind: 'unet-lut' }, seed: 2022 });
  run.logMetrics(1, { loss: 0.5, 'rmse/red': Number.NaN }, 1_700_000_001_000);
  run.logMetrics(2, { loss: 1e-7, 'rmse/red': Number.NEGATIVE_INFINITY }, 1_700_000_002_000);
  run.logInput({
    name: 'gf1',
    digest: 'd'.repeat(64),
    source: '/data/gf1',
    context: 'train',
    schema: { bands: 4 },
  });
  await run.logTable({ columns: ['band', 'rmse'], data: [['red', 1.5]] }, 'tables/test.json');
  await run.logArtifact(Buffer.from([1, 2, 3]), '../x/./a#b.bin');
  await run.end('FINISHED', 1_700_000_003_000);

  const experiment = run.experimentId;
  expect(experiment).toMatch(/^[1-9]\d{17}$/);
  expect(run.runId).toMatch(/^[0-9a-f]{32}$/);
  expect((await readdir(store)).sort()).toEqual(['.trash', experiment]);
  const files = await tree(join(store, experiment, run.runId));
  expect(files['metrics/loss']).toBe('1700000001000 0.5 1\n1700000002000 1e-7 2\n');
  expect(files['metrics/rmse/red']).toBe('1700000001000 NaN 1\n1700000002000 -Infinity 2\n');
  expect(files['params/model.kind']).toBe('unet-lut');
  expect(files['params/seed']).toBe('2022');
  expect(files['tags/note']).toBe('ü\n');
  expect(files['tags/mlflow.runName']).toBe('unet-lut');
  expect(files['tags/mlflow.loggedArtifacts']).toBe('[{"path":"tables/test.json","type":"table"}]');
  expect(files['artifacts/tables/test.json']).toBe('{"columns":["band","rmse"],"data":[["red",1.5]]}');
  expect(files['artifacts/x/a_b.bin']).toBe('\u0001\u0002\u0003');
  expect(files['meta.yaml']).toBe(
    `${[
      `artifact_uri: "file://${join(store, experiment, run.runId, 'artifacts')}"`,
      'deleted_time: null',
      'end_time: 1700000003000',
      'entry_point_name: ""',
      `experiment_id: "${experiment}"`,
      'lifecycle_stage: "active"',
      `run_id: "${run.runId}"`,
      'run_name: "unet-lut"',
      `run_uuid: "${run.runId}"`,
      'source_name: ""',
      'source_type: 4',
      'source_version: ""',
      'start_time: 1700000000123',
      'status: 3',
      'tags: []',
      `user_id: ${JSON.stringify(files['tags/mlflow.user'])}`,
    ].join('\n')}\n`,
  );
  const inputs = Object.keys(files).filter((name) => name.startsWith('inputs/'));
  expect(inputs).toHaveLength(1);
  expect(files[inputs[0]]).toContain('tags:\n  mlflow.data.context: "train"\n');
  // nothing but what MLflow expects and needs not read stays in the run's folder
  expect((await readdir(join(store, experiment, run.runId))).sort()).toEqual(
    ['artifacts', 'inputs', 'meta.yaml', 'metrics', 'params', 'tags'].sort(),
  );
  expect(heard).toEqual([]);

  const back = await readRun(store, run.runId);
  expect(back.metrics['rmse/red'].map((point) => point.value)).toEqual([
    Number.NaN,
    Number.NEGATIVE_INFINITY,
  ]);
  expect(back.inputs[0]).toMatchObject({
    name: 'gf1',
    digest: 'd'.repeat(36),
    context: 'train',
    schema: '{"bands":4}',
  });
  expect(back).toMatchObject({ status: 'FINISHED', startTime: 1_700_000_000_123, experiment: 'paper' });
});

test('text of every kind survives meta.yaml', async () => {
  const folder = await temporaryFolder();
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: codePoint }), fc.integer(), async (text, number) => {
      await writeFile(join(folder, 'meta.yaml'), metaText({ text, number, none: null }));
      const back = await readMeta(join(folder, 'meta.yaml'));
      expect(back).toEqual({
        text: text.replace(/\p{Surrogate}/gu, '\ufffd'),
        number: String(number),
        none: 'null',
      });
    }),
    { numRuns: 60 },
  );
  // bare words that YAML would take for numbers or truth; as PyYAML writes them when MLflow's interface renames a run
  await writeFile(
    join(folder, 'meta.yaml'),
    "run_id: 12345678901234567890123456789012\nrun_name: '0123'\nend_time: null\nstatus: 3\nuser_id: on\n",
  );
  expect(await readMeta(join(folder, 'meta.yaml'))).toMatchObject({
    run_id: '12345678901234567890123456789012',
    run_name: '0123',
    user_id: 'on',
  });
});

test('a run that throws is FAILED, an aborted one KILLED, and what was thrown is thrown on', async () => {
  const store = await temporaryFolder();
  const { tracker } = await openHere(store);
  const controller = new AbortController();
  const parent = await tracker.startRun({ experiment: 'e', name: 'parent' });
  const spec = { experiment: 'e', parent: parent.runId };
  await expect(
    trackRun(tracker, { ...spec, name: 'bad' }, async () => Promise.reject(new Error('no such band'))),
  ).rejects.toThrow('no such band');
  await expect(
    trackRun(tracker, { ...spec, name: 'stopped', signal: controller.signal }, async () => {
      controller.abort();
      controller.signal.throwIfAborted();
    }),
  ).rejects.toThrow();
  expect(await trackRun(tracker, { ...spec, name: 'good' }, async () => 7)).toBe(7);
  await parent.end();
  const runs = await listRuns(store, 'e');
  expect(Object.fromEntries(runs.map((run) => [run.name, run.status]))).toEqual({
    parent: 'FINISHED',
    bad: 'FAILED',
    stopped: 'KILLED',
    good: 'FINISHED',
  });
  expect(runs.filter((run) => run.parent === parent.runId)).toHaveLength(3);
  const bad = runs.find((run) => run.name === 'bad')!;
  expect((await readRun(store, bad.runId)).tags['bandalign.failure']).toBe('no such band');
});

describe('points', () => {
  test('no line is written twice, and none is lost', async () => {
    const store = await temporaryFolder();
    const { tracker } = await openHere(store);
    const run = await tracker.startRun({ experiment: 'e', name: 'n' });
    for (let i = 0; i < 3000; i++) run.logMetrics(i % 3, { same: 1, [`key${i % 7}`]: i });
    run.logMetrics(5, { timed: 1 }, 1000);
    run.logMetrics(5, { timed: 1 }, 1000);
    run.logMetrics(5, { timed: 2 }, 1000);
    await run.end();
    const { metrics, folder } = await readRun(store, run.runId);
    expect(metrics['same']).toHaveLength(3000);
    expect(metrics['timed'].map((point) => point.value)).toEqual([1, 2]);
    for (const name of Object.keys(metrics)) {
      const lines = (await readFile(join(folder, 'metrics', name), 'utf8')).split('\n').slice(0, -1);
      expect(new Set(lines).size).toBe(lines.length);
    }
  });

  test('a resumed run leaves out what it repeats, and goes on behind a torn line', async () => {
    const store = await temporaryFolder();
    const first = await openHere(store);
    const run = await first.tracker.startRun({ experiment: 'e', name: 'n' });
    for (let epoch = 1; epoch <= 10; epoch++) run.logMetrics(epoch, { loss: 1 / epoch, twice: epoch });
    run.logMetrics(10, { twice: 10.5 });
    run.logParams({ lr: 0.001 });
    await run.end('KILLED');
    const folder = join(store, run.experimentId, run.runId);
    await appendFile(join(folder, 'metrics/loss'), '17000000');
    await appendFile(join(folder, 'metrics/twice'), '\0\0\0\0\0\n\0\0');
    await writeFile(join(folder, 'metrics/empty'), '');

    const { tracker, heard } = await openHere(store);
    const again = await tracker.resumeRun(run.runId);
    expect((await readRun(store, run.runId)).status).toBe('RUNNING');
    // it goes on from its checkpoint of epoch 7
    for (let epoch = 8; epoch <= 12; epoch++) again.logMetrics(epoch, { loss: 1 / epoch, twice: epoch });
    again.logMetrics(10, { twice: 10.5 });
    again.logMetrics(10, { twice: 10.75 });
    again.logParams({ lr: 0.001 });
    again.logParams({ lr: 0.002 });
    await again.end();
    const back = await readRun(store, run.runId);
    expect(back.metrics['loss'].map((point) => point.step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(back.metrics['twice'].map((point) => point.value)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10.5, 11, 12, 10.75,
    ]);
    expect(back.metrics).not.toHaveProperty('empty');
    expect(back.params['lr']).toBe('0.001');
    expect(back.status).toBe('FINISHED');
    expect(heard.filter((text) => text.includes('torn line'))).toHaveLength(2);
    expect(heard.filter((text) => text.includes('param lr stays 0.001'))).toHaveLength(1);
  });

  test('kill -9: what is older than a second is there, whole', async () => {
    const store = await temporaryFolder();
    const { child, output, ended } = startProgram(`
      import { openTracker } from '../../src/tracking/open.js';
      const tracker = await openTracker({ env: {}, directory: ${JSON.stringify(store)}, onWarning: console.error });
      const run = await tracker.startRun({ experiment: 'e', name: 'n' });
      let step = 0;
      setInterval(() => { for (let i = 0; i < 50; i++) run.logMetrics(step, { loss: step++ }); console.log('at', step, Date.now(), run.runId); }, 10);
    `);
    await until(() => /at 1\d\d\d\d /.test(output()));
    child.kill('SIGKILL');
    await ended;
    const reports = [...output().matchAll(/at (\d+) (\d+) (\w+)/g)].map(([, step, time, id]) => ({
      step: Number(step),
      time: Number(time),
      id,
    }));
    const last = reports.at(-1)!;
    const old = reports.filter((report) => report.time < last.time - 1500).at(-1)!;
    const { metrics, status, folder } = await readRun(store, last.id);
    expect(status).toBe('RUNNING');
    expect(metrics['loss'].length).toBeGreaterThanOrEqual(old.step);
    metrics['loss'].forEach((point, at) => void expect(point).toMatchObject({ step: at, value: at }));
    const { tracker } = await openHere(store);
    const again = await tracker.resumeRun(last.id);
    for (let step = 0; step < last.step; step++) again.logMetrics(step, { loss: step });
    await again.end();
    expect(parsePoints(await readFile(join(folder, 'metrics/loss'), 'utf8')).map(({ step }) => step)).toEqual(
      Array.from({ length: last.step }, (_, step) => step),
    );
  });

  test('process.exit without end(): what was logged in the last moment is there', async () => {
    const store = await temporaryFolder();
    const { ended, output } = startProgram(`
      import { openTracker } from '../../src/tracking/open.js';
      const tracker = await openTracker({ env: {}, directory: ${JSON.stringify(store)}, onWarning: console.error });
      const run = await tracker.startRun({ experiment: 'e', name: 'n' });
      run.logMetrics(0, { loss: 0 });
      await run.flush();
      for (let i = 1; i < 1000; i++) run.logMetrics(i, { loss: i, other: i });
      run.setTags({ last: 'word' });
      process.exit(0);
    `);
    expect(await ended, output()).toBe(0);
    const [run] = await listRuns(store);
    const back = await readRun(store, run.runId);
    expect(back.metrics['loss']).toHaveLength(1000);
    expect(back.metrics['other']).toHaveLength(999);
    expect(back.tags['last']).toBe('word');
  });
});

test('four processes on one store: one experiment, every run whole', async () => {
  const store = join(await temporaryFolder(), 'tracking');
  const programs = Array.from({ length: 4 }, (_, at) =>
    startProgram(`
      import { openTracker } from '../../src/tracking/open.js';
      const tracker = await openTracker({ env: {}, directory: ${JSON.stringify(store)}, onWarning: console.error });
      await Promise.all(Array.from({ length: 5 }, async (_, n) => {
        const run = await tracker.startRun({ experiment: 'shared', name: 'p${at}-' + n });
        for (let i = 0; i < 200; i++) run.logMetrics(i, { loss: i });
        await run.end();
      }));
    `),
  );
  for (const { ended, output } of programs) expect(await ended, output()).toBe(0);
  expect(await listExperiments(store)).toHaveLength(1);
  const runs = await listRuns(store, 'shared');
  expect(new Set(runs.map((run) => run.name)).size).toBe(20);
  for (const run of runs) {
    expect(run.status).toBe('FINISHED');
    expect((await readRun(store, run.runId)).metrics['loss']).toHaveLength(200);
  }
});

test('a run that a living process records cannot be resumed by another', async () => {
  const store = await temporaryFolder();
  const { tracker } = await openHere(store);
  const run = await tracker.startRun({ experiment: 'e', name: 'n' });
  const other = await openHere(store);
  await expect(tracker.resumeRun(run.runId)).rejects.toThrow(`run: ${run.runId}; process ${process.pid}`);
  const { ended, output } = startProgram(`
    import { openTracker } from '../../src/tracking/open.js';
    const tracker = await openTracker({ env: {}, directory: ${JSON.stringify(store)}, onWarning: console.error });
    await tracker.resumeRun(${JSON.stringify(run.runId)}).catch((error) => console.log(error.message));
  `);
  await ended;
  expect(output()).toContain('is recording it');
  await run.end();
  await (await other.tracker.resumeRun(run.runId)).end();
  await expect(tracker.resumeRun('0'.repeat(32))).rejects.toThrow('there is none');
});

/** Any code point, lone surrogates too; fast-check's own takes seconds to set up. */
const codePoint = fc.integer({ min: 0, max: 0x10ffff }).map((code) => String.fromCodePoint(code));

describe('a disk that refuses', () => {
  test('a store that cannot be made: the run is recorded elsewhere and comes home later', async () => {
    const folder = await temporaryFolder();
    const store = join(folder, 'file', 'tracking');
    await writeFile(join(folder, 'file'), 'in the way');
    const { tracker, heard } = await openHere(store);
    const run = await tracker.startRun({ experiment: 'e', name: 'n' });
    for (let i = 0; i < 100; i++) run.logMetrics(i, { loss: i });
    run.logInput({ name: 'd', digest: 'x', source: 's', context: 'test' });
    await run.logArtifact(Buffer.from('x'), 'a/b');
    await run.end();
    expect(heard).toHaveLength(1);
    expect(heard[0]).toContain(`${store} cannot be written`);
    expect(await listRuns(rescueStore(store))).toHaveLength(1);

    await rm(join(folder, 'file'));
    const later = await openHere(store);
    expect(later.heard.join()).toContain('1 runs were brought back');
    const back = await readRun(store, run.runId);
    expect(back.metrics['loss']).toHaveLength(100);
    expect(back).toMatchObject({ status: 'FINISHED', artifacts: ['a/b'] });
    expect(back.inputs[0]).toMatchObject({ name: 'd', context: 'test' });
    expect(await readFile(join(back.folder, 'meta.yaml'), 'utf8')).toContain(
      `file://${back.folder}/artifacts`,
    );
    expect(await listRuns(rescueStore(store))).toEqual([]);
  });

  test('a store that goes away in the middle: both halves are one run again', async () => {
    const folder = await temporaryFolder();
    const store = join(folder, 'tracking');
    const { tracker, heard } = await openHere(store);
    const run = await tracker.startRun({ experiment: 'e', name: 'n', tags: { a: '1' } });
    for (let i = 0; i < 100; i++) run.logMetrics(i, { loss: i });
    await run.flush();
    await rename(store, `${store}.away`);
    await writeFile(store, 'in the way');
    for (let i = 100; i < 200; i++) run.logMetrics(i, { loss: i });
    run.logParams({ late: true });
    await run.end();
    expect(heard.filter((text) => text.includes('cannot be written'))).toHaveLength(1);
    await rm(store);
    await rename(`${store}.away`, store);
    await openHere(store);
    const back = await readRun(store, run.runId);
    expect(back.metrics['loss'].map(({ step }) => step)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    expect(back.params['late']).toBe('true');
    expect(back.tags['a']).toBe('1');
    expect(back.status).toBe('FINISHED');
  });

  test.skipIf(process.platform !== 'linux')('a full disk: nothing is torn, nothing is lost', async () => {
    // /dev/full refuses every write as a full disk does, after it was opened
    const store = await temporaryFolder();
    const { tracker, heard } = await openHere(store);
    const run = await tracker.startRun({ experiment: 'e', name: 'n' });
    run.logMetrics(0, { loss: 0 });
    await run.flush();
    const path = join(store, run.experimentId, run.runId, 'metrics/loss');
    const before = await readFile(path);
    await rm(path);
    const { symlink } = await import('node:fs/promises');
    await symlink('/dev/full', path);
    for (let i = 1; i < 50; i++) run.logMetrics(i, { loss: i });
    await run.end();
    expect(heard.filter((text) => text.includes('the disk is full'))).toHaveLength(1);
    await rm(path);
    await writeFile(path, before);
    await openHere(store);
    expect((await readRun(store, run.runId)).metrics['loss'].map(({ step }) => step)).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
  });
});

test('an artifact that is not there is a warning, a folder is copied whole, and a second table replaces the first', async () => {
  const store = await temporaryFolder();
  const source = await temporaryFolder();
  await mkdir(join(source, 'deep'));
  await writeFile(join(source, 'deep', 'a'), 'A');
  await writeFile(join(source, 'b'), 'B');
  const { tracker, heard } = await openHere(store);
  const run = await tracker.startRun({ experiment: 'e', name: 'n' });
  await run.logArtifact(join(source, 'none'), 'none');
  await run.logArtifact(source, 'copy');
  await run.logTable({ columns: ['a'], data: [[1]] }, 't.json');
  await run.logTable({ columns: ['a'], data: [[2]] }, 't.json');
  await run.logFigure({ plotly: { data: [], layout: {} } }, 'figures/f');
  await run.end();
  run.logMetrics(1, { late: 1 });
  const back = await readRun(store, run.runId);
  expect(back.artifacts).toEqual(['copy/b', 'copy/deep/a', 'figures/f.json', 't.json']);
  expect(back.tags['mlflow.loggedArtifacts']).toBe('[{"path":"t.json","type":"table"}]');
  expect(await readFile(join(back.folder, 'artifacts/t.json'), 'utf8')).toContain('[[2]]');
  expect(heard).toHaveLength(2);
  expect(heard[0]).toContain('none is left out');
  expect(heard[1]).toContain('has ended');
});

test('system metrics have MLflow’s names', async () => {
  const store = await temporaryFolder();
  const { tracker } = await openHere(store, {
    MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING: 'true',
    MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL: '0.05',
  });
  const run = await tracker.startRun({ experiment: 'e', name: 'n' });
  await new Promise((resolve) => setTimeout(resolve, 300));
  await run.end();
  const { metrics } = await readRun(store, run.runId);
  for (const name of [
    'cpu_utilization_percentage',
    'system_memory_usage_percentage',
    'disk_usage_percentage',
  ]) {
    const points = metrics[`system/${name}`];
    expect(points.length).toBeGreaterThan(1);
    for (const { value } of points) expect(value).toBeGreaterThanOrEqual(0);
    for (const { value } of points) expect(value).toBeLessThanOrEqual(100);
  }
  expect(metrics['system/system_memory_usage_megabytes'][0].value).toBeGreaterThan(10);
  const again = await tracker.resumeRun(run.runId);
  await new Promise((resolve) => setTimeout(resolve, 200));
  await again.end();
  const steps = (await readRun(store, run.runId)).metrics['system/cpu_utilization_percentage'].map(
    ({ step }) => step,
  );
  expect(steps).toEqual(steps.map((_, at) => at));
  expect(steps.length).toBeGreaterThan(metrics['system/cpu_utilization_percentage'].length);
});

test('the environment says where: variables, addresses, and what cannot be meant', async () => {
  const folder = await temporaryFolder();
  const { heard, onWarning } = listen();
  const open = (env: Record<string, string>, directory?: string) =>
    openTracker({ env, directory, onWarning });
  expect((await open({ BANDALIGN_TRACKING_DIR: folder })).directory).toBe(folder);
  expect((await open({ MLFLOW_TRACKING_URI: `file://${folder}/a%20b` })).directory).toBe(join(folder, 'a b'));
  expect((await open({ MLFLOW_TRACKING_URI: folder })).directory).toBe(folder);
  expect((await open({})).directory).toBe(join(process.cwd(), '.bandalign/tracking'));
  await expect(open({ MLFLOW_TRACKING_URI: 'postgresql://me:secret@host/db' })).rejects.toThrow(
    'MLFLOW_TRACKING_URI: postgresql://host/db',
  );
  const named = await open({ BANDALIGN_TRACKING_DIR: folder, MLFLOW_EXPERIMENT_NAME: 'theirs' });
  const run = await named.startRun({ experiment: 'ours', name: 'n' });
  await run.end();
  expect(await listRuns(folder, 'theirs')).toHaveLength(1);
  const goesOn = await open({ BANDALIGN_TRACKING_DIR: folder, MLFLOW_RUN_ID: run.runId });
  const again = await goesOn.startRun({ experiment: 'ours', name: 'n' });
  expect(again.runId).toBe(run.runId);
  await again.end();
  const byId = await open({ BANDALIGN_TRACKING_DIR: folder, MLFLOW_EXPERIMENT_ID: run.experimentId });
  const third = await byId.startRun({ experiment: 'ours', name: 'n' });
  expect(third.experimentId).toBe(run.experimentId);
  await third.end();
  expect((await stat(dirname(join(folder, run.experimentId, run.runId)))).isDirectory()).toBe(true);
  expect(heard).toEqual([]);
});
