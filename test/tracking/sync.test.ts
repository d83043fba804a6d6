import { appendFile, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDestination, trackingDestination } from '../../src/tracking/send.js';
import { follow, syncFolders } from '../../src/tracking/sync.js';
import { type FakeRun, fakeServer } from './fake-server.js';
import { mishaps, say } from './mishaps.js';
import { fabricateRun, finish, logEpochs, lossAt } from './run-folders.js';
import { listen, temporaryFolder, until } from './stores.js';

const quick = { MLFLOW_HTTP_REQUEST_TIMEOUT: '0.3', MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: '0' };

const open = (address: string, env: Record<string, string> = {}) => {
  const { heard, onWarning } = listen();
  return { heard, destination: openDestination(address, onWarning, { env: { ...quick, ...env } }) };
};

const stepsOf = ({ points }: FakeRun, key: string): number[] =>
  points.filter((point) => point.key === key).map(({ step }) => step);

const epochs = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);

describe('a folder of runs brought to a server', () => {
  test('has names, times, values, tags, datasets, files and the model; a second time nothing is sent', async () => {
    const [server, outputs] = [await fakeServer(), await temporaryFolder()];
    await fabricateRun(outputs, 'unet', {
      values: { tv: 0.5, own_penalty: null, deep: { a: 1 } },
      experiment: { loss: { tv: 0.01 } },
    });
    const { destination, heard } = open(server.address);
    expect(await syncFolders(outputs, destination)).toMatchObject({ runs: 1, complete: 1, failed: [] });
    const [run] = server.runs;
    expect(run).toMatchObject({ name: 'unet', status: 'FINISHED' });
    expect(run.params['loss.tv']).toBe('0.01');
    expect(run.tags).toMatchObject({
      model: 'unet-lut',
      dataset: 'demo',
      synthetic: 'false',
      regions: 'North 1',
      'mlflow.user': 'me',
      'mlflow.source.name': 'bandalign train unet',
    });
    expect(run.tags['mlflow.note.content']).toContain('| RMSE | 1 | 2 | 3 | 6 | 0.05 |');
    expect(stepsOf(run, 'train/loss')).toEqual(epochs(20));
    expect(run.points.find(({ key, step }) => key === 'train/loss' && step === 3)).toMatchObject({
      value: lossAt(3),
      timestamp: Date.parse('2026-11-01T08:00:03Z'),
    });
    expect(stepsOf(run, 'val/rmse/blue')).toEqual([5, 10, 15, 20]);
    // whatever an epoch holds is there by its name, a number that JSON does not know as NaN
    expect(run.points.find(({ key }) => key === 'train/own_penalty')?.value).toBe('NaN');
    expect(stepsOf(run, 'train/deep/a')).toHaveLength(20);
    const final = new Map(run.points.map(({ key, value }) => [key, value]));
    expect([final.get('test/rmse/mean'), final.get('test/rmse/nir'), final.get('test/r2/ndvi')]).toEqual([
      3, 6, 0.9,
    ]);
    expect(Object.keys(run.files).sort()).toEqual([
      'environment.json',
      'experiment.json',
      'figures/loss.svg',
      'metrics.jsonl',
      'result.json',
      'tiles.jsonl',
    ]);
    expect(run.models).toMatchObject([{ name: 'unet', status: 'LOGGED_MODEL_READY', isOutput: true }]);
    expect(run.models[0].files['best.safetensors'].toString()).toBe('weights');
    expect(run.inputs).toHaveLength(3);

    const before = server.calls.length;
    const again = await syncFolders(outputs, open(server.address).destination);
    expect(again).toMatchObject({ complete: 1, points: 0, files: 0 });
    expect(server.calls.slice(before).map(({ path }) => path.split('/mlflow/')[1])).toEqual([
      'experiments/get-by-name',
      'metrics/get-history-bulk',
      'runs/search',
    ]);
    expect(heard).toEqual([]);
  });

  test('what this machine noted of a server is asked about: a run that is gone is sent again, a deleted one is not', async () => {
    const [server, outputs] = [await fakeServer(), await temporaryFolder()];
    for (const tag of ['stays', 'deleted', 'gone']) await fabricateRun(outputs, tag);
    await syncFolders(outputs, open(server.address).destination);
    const at = (tag: string): number => server.runs.findIndex(({ name }) => name === tag);
    server.runs[at('deleted')].isDeleted = true;
    // as `mlflow gc` removes a deleted run for good
    server.runs.splice(at('gone'), 1);
    expect(await syncFolders(outputs, open(server.address).destination)).toMatchObject({
      ...{ complete: 2, deleted: ['deleted'], failed: [] },
    });
    expect(server.runs.map(({ name }) => name).sort()).toEqual(['deleted', 'gone', 'stays']);
    // a server without the question that its own pages ask
    server.mishap = ({ path }, answer) =>
      path.includes('history-bulk') ? say(answer, 404, 'text/plain', 'Not Found') : 'work';
    expect(await syncFolders(outputs, open(server.address).destination)).toMatchObject({
      ...{ complete: 2, deleted: ['deleted'], points: 0, files: 0 },
    });
  });

  test('stopped between and inside batches, again and again, has each point once', async () => {
    const [server, outputs] = [await fakeServer(), await temporaryFolder()];
    // 5 metrics of 700 epochs and 2 of 140: 4 batches and more
    await fabricateRun(outputs, 'long', { epochs: 700, values: { a: 1, b: 2 } });
    const arrived: number[] = [];
    for (let kill = 0; kill < 12; kill++) {
      const { destination } = open(server.address);
      let batches = 0;
      // every other time the server has taken half of a batch, as one with a file store does when it is killed
      server.mishap = ({ path, body }) => {
        if (!path.endsWith('log-batch') || !body.includes('"metrics"')) return 'work';
        if (batches++ < 1) return 'work';
        if (kill % 2 === 1) {
          const { metrics } = JSON.parse(body) as { metrics: FakeRun['points'] };
          server.runs[0].points.push(...metrics.slice(0, metrics.length >> 1));
        }
        destination.abort(new Error('killed'));
        return 'handled';
      };
      await syncFolders(outputs, destination).catch(() => {});
      arrived.push(server.runs[0]?.points.length ?? 0);
    }
    server.mishap = () => 'work';
    expect(await syncFolders(outputs, open(server.address).destination)).toMatchObject({ complete: 1 });
    // it stood at different places inside the log
    expect(new Set(arrived).size).toBeGreaterThan(2);
    const [run, ...others] = server.runs;
    expect(others).toEqual([]);
    for (const key of ['train/loss', 'train/lr', 'train/a', 'train/b'])
      expect(stepsOf(run, key)).toEqual(epochs(700));
    expect(new Set(run.points.map(({ key, step }) => `${key} ${step}`)).size).toBe(run.points.length);
    expect(run.models).toHaveLength(1);
  });

  for (const [name, mishap] of Object.entries(mishaps))
    test(`every third answer is ${name}: afterwards all is there once`, async () => {
      const [server, outputs] = [await fakeServer(), await temporaryFolder()];
      const folder = await fabricateRun(outputs, 'n', { epochs: 900 });
      server.mishap = (request, answer) =>
        request.count % 3 === 1 && request.count < 30 ? mishap(request, answer) : 'work';
      const { destination, heard } = open(server.address);
      await follow(folder, destination, { every: 50, patience: 2 }).end();
      server.mishap = () => 'work';
      expect(await syncFolders(outputs, open(server.address).destination)).toMatchObject({ complete: 1 });
      const active = server.runs.filter(({ isDeleted }) => !isDeleted);
      expect(active).toHaveLength(1);
      expect(stepsOf(active[0], 'train/loss')).toEqual(epochs(900));
      expect(active[0].files['result.json']).toBeDefined();
      expect(heard.length).toBeLessThan(12);
    });

  test('two that send the same folder at once make one run; so does a copy of the folder', async () => {
    const [server, outputs, elsewhere] = [
      await fakeServer(),
      await temporaryFolder(),
      await temporaryFolder(),
    ];
    await fabricateRun(outputs, 'n', { epochs: 300 });
    await cp(outputs, elsewhere, { recursive: true });
    const both = [outputs, elsewhere].map((root) => syncFolders(root, open(server.address).destination));
    for (const result of await Promise.all(both)) expect(result.runs).toBe(1);
    await syncFolders(elsewhere, open(server.address).destination);
    const active = server.runs.filter(({ isDeleted }) => !isDeleted);
    expect(active).toHaveLength(1);
    expect(new Set(stepsOf(active[0], 'train/loss')).size).toBe(300);
    expect(active[0].status).toBe('FINISHED');
  });

  test('one item that the server refuses takes nothing else with it; what it cuts is named', async () => {
    const [server, outputs] = [await fakeServer(), await temporaryFolder()];
    await fabricateRun(outputs, 'n', { experiment: { description: 'x'.repeat(900), name: 'poison' } });
    const { destination, heard } = open(server.address);
    expect(await syncFolders(outputs, destination)).toMatchObject({ complete: 1 });
    expect(server.runs[0].params['description']).toBe('x'.repeat(500));
    expect(server.runs[0].params['name']).toBeUndefined();
    expect(server.runs[0].params['seed']).toBe('2022');
    expect(heard).toEqual([
      expect.stringContaining('run n: the server does not take name ('),
      'run n: description is cut to 500 characters',
    ]);
  });

  test('the trials of a sweep lie under it', async () => {
    const [server, outputs] = [await fakeServer(), await temporaryFolder()];
    const sweep = join(outputs, 'small');
    await mkdir(sweep);
    const trials = ['a', 'b'].map((tag) => ({
      tag,
      label: `row ${tag}`,
      experiment: { seed: 1, model: {} },
    }));
    await writeFile(
      join(sweep, 'manifest.json'),
      JSON.stringify({
        ...{ format: 1, name: 'small', description: 'why', fingerprint: 'f', trials },
        ...{ created: '2026-11-01T08:00:00Z', data: { root: '/data/demo' } },
      }),
    );
    for (const { tag } of trials) await fabricateRun(sweep, tag);
    expect(await syncFolders(outputs, open(server.address).destination)).toMatchObject({
      runs: 3,
      complete: 3,
    });
    const parent = server.runs.find(({ name }) => name === 'small')!;
    expect(parent).toMatchObject({ status: 'FINISHED', params: { trials: '2' } });
    for (const { tag, label } of trials)
      expect(server.runs.find(({ name }) => name === tag)?.tags).toMatchObject({
        'mlflow.parentRunId': parent.id,
        'bandalign.row': label,
      });
  });
});

describe('a run that is followed while it goes on', () => {
  test('arrives as it grows, and a server that is away is said once and costs the end a bounded time', async () => {
    const [server, outputs] = [await fakeServer(), await temporaryFolder()];
    const folder = await fabricateRun(outputs, 'live', { epochs: 10, status: 'running' });
    const lock = join(outputs, '.live.lock');
    await writeFile(lock, JSON.stringify({ host: 'another', pid: 1 }));
    const { destination, heard } = open(server.address);
    const following = follow(folder, destination, { every: 20, patience: 0.5 });
    await until(() => server.runs[0] && stepsOf(server.runs[0], 'train/loss').length === 10);
    expect(server.runs[0].status).toBe('RUNNING');
    server.mishap = mishaps['connection reset'];
    await logEpochs(folder, 11, 20);
    await until(() => heard.length > 0);
    server.mishap = () => 'work';
    await until(() => stepsOf(server.runs[0], 'train/loss').length === 20);
    await logEpochs(folder, 21, 30);
    server.mishap = mishaps['no answer at all'];
    await rm(lock);
    await finish(folder, 'live', 30);
    const before = performance.now();
    await following.end();
    expect(performance.now() - before).toBeLessThan(5000);
    expect(heard.at(-1)).toContain(`bandalign track sync ${folder} --to ${server.address}`);
    expect(heard.filter((text) => text.includes('the work goes on'))).toHaveLength(1);
    server.mishap = () => 'work';
    await syncFolders(outputs, open(server.address).destination);
    expect(stepsOf(server.runs[0], 'train/loss')).toEqual(epochs(30));
    expect(server.runs).toHaveLength(1);
  });

  test('a run that was killed says so, and goes on as the same run when it is resumed', async () => {
    const [server, outputs] = [await fakeServer(), await temporaryFolder()];
    const folder = await fabricateRun(outputs, 'n', { epochs: 12, status: 'running' });
    await syncFolders(outputs, open(server.address).destination);
    expect(server.runs[0].status).toBe('KILLED');
    await logEpochs(folder, 13, 20);
    await finish(folder, 'n', 20);
    await syncFolders(outputs, open(server.address).destination);
    expect(server.runs).toMatchObject([{ status: 'FINISHED' }]);
    expect(stepsOf(server.runs[0], 'train/loss')).toEqual(epochs(20));
  });
});

describe('bad input', () => {
  const refused = async (
    root: string,
    address: string,
  ): Promise<{ lines: readonly string[]; exitCode: number }> => {
    const error = await syncFolders(root, open(address).destination).then(
      () => undefined,
      (thrown) => thrown as { faults: readonly string[]; exitCode: number },
    );
    return { lines: error?.faults ?? [], exitCode: error?.exitCode ?? 0 };
  };

  test('a folder that holds no run, and one that is not there', async () => {
    const folder = await temporaryFolder();
    for (const root of [folder, join(folder, 'none')])
      expect(await refused(root, 'http://127.0.0.1:1')).toEqual({
        lines: [`folder: ${root}; there is no run in it, give a folder of runs, a sweep or a run`],
        exitCode: 2,
      });
  });

  test('a server that is away, is no MLflow, wants a login or has another prefix: one line, exit 1', async () => {
    const [server, outputs] = [await fakeServer(), await temporaryFolder()];
    await fabricateRun(outputs, 'n');
    const line = async (address = server.address): Promise<string> => {
      const { lines, exitCode } = await refused(outputs, address);
      expect([lines.length, exitCode]).toEqual([1, 1]);
      return lines[0];
    };
    server.mishap = (_, answer) => say(answer, 200, 'text/html', '<html>Log in</html>');
    expect(await line()).toContain('it answers with a web page, not as MLflow does');
    server.mishap = (_, answer) => say(answer, 401, 'text/plain', 'no');
    expect(await line()).toContain('set MLFLOW_TRACKING_USERNAME');
    expect(await line('http://127.0.0.1:59998')).toContain('it cannot be reached (ECONNREFUSED)');
    server.mishap = (_, answer) => say(answer, 404, 'text/html', '<html>Not Found</html>');
    const { failed } = await syncFolders(outputs, open(server.address).destination);
    expect(failed[0].reason).toContain('404 Not Found; check the address and its path');
    server.mishap = () => 'work';
    expect(server.runs).toEqual([]);
  });

  test('a deleted experiment and a deleted run are named and left so', async () => {
    const [server, outputs] = [await fakeServer(), await temporaryFolder()];
    await fabricateRun(outputs, 'n');
    await syncFolders(outputs, open(server.address).destination);
    server.runs[0].isDeleted = true;
    expect(await syncFolders(outputs, open(server.address).destination)).toMatchObject({ deleted: ['n'] });
    expect(server.runs).toHaveLength(1);
    server.deletedExperiments.add('bandalign');
    const { failed } = await syncFolders(outputs, open(server.address).destination);
    expect(failed[0].reason).toContain('experiment: bandalign; it was deleted on');
  });

  test('a run whose files are cut takes no other with it', async () => {
    const [server, outputs] = [await fakeServer(), await temporaryFolder()];
    await fabricateRun(outputs, 'whole');
    const cut = await fabricateRun(outputs, 'cut');
    await writeFile(join(cut, 'experiment.json'), '{"na');
    const half = await fabricateRun(outputs, 'half', { status: 'running' });
    await appendFile(join(half, 'metrics.jsonl'), '{"epoch":21,"lo');
    await writeFile(join(half, 'result.json'), '{"tag":"ha');
    const { complete, failed } = await syncFolders(outputs, open(server.address).destination);
    expect([complete, failed]).toEqual([
      2,
      [
        {
          folder: cut,
          reason: `run: ${join(cut, 'experiment.json')} is cut or not JSON; mend it, or remove the run`,
        },
      ],
    ]);
    expect(stepsOf(server.runs.find(({ name }) => name === 'half')!, 'train/loss')).toEqual(epochs(20));
  });

  test('an address that is none, and one of a database', () => {
    const at = (uri: string) => () => trackingDestination(() => {}, { MLFLOW_TRACKING_URI: uri });
    expect(at('')()).toBeNull();
    for (const uri of ['sqlite:///x.db', '/srv/runs', 'file:///srv'])
      expect(at(uri)).toThrow(`MLFLOW_TRACKING_URI: ${uri}; runs are sent to a server (http://…)`);
    expect(at('postgresql://me:secret@host/db')).toThrow('postgresql://host/db;');
    expect(at('http://[bad')).toThrow('it is not an address such as http://host:5000');
  });
});
