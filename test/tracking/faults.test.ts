import { rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { listRuns } from '../../src/tracking/directory/read.js';
import { artifactPlace } from '../../src/tracking/mlflow/artifacts.js';
import { limits, splitBatches } from '../../src/tracking/mlflow/batches.js';
import { createClient } from '../../src/tracking/mlflow/client.js';
import { MlflowError } from '../../src/tracking/mlflow/error.js';
import { backoff } from '../../src/tracking/mlflow/http.js';
import { serverSettings } from '../../src/tracking/mlflow/settings.js';
import { openTracker } from '../../src/tracking/open.js';
import { openDestination } from '../../src/tracking/sync/destination.js';
import { syncStore } from '../../src/tracking/sync/sync-store.js';
import { fakeServer, type Mishap } from './fake-server.js';
import { listen, temporaryFolder } from './stores.js';

const clientOf = (address: string, env: Record<string, string> = {}) =>
  createClient(
    serverSettings(address, {
      MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: '0',
      MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: '0',
      ...env,
    }),
  );

const failure = async (work: Promise<unknown>): Promise<MlflowError> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof MlflowError) return error;
    throw error;
  }
  throw new Error('it did not fail');
};

const say = (
  answer: ServerResponse,
  status: number,
  type: string,
  text: string,
  headers: Record<string, string> = {},
): 'handled' => {
  answer.writeHead(status, { 'Content-Type': type, ...headers }).end(text);
  return 'handled';
};

/** Everything that a server or what stands before it can do to a request. */
const mishaps: Record<string, Mishap> = {
  '403 text': (_, answer) =>
    say(answer, 403, 'text/plain', 'Invalid Host header - possible DNS rebinding attack detected'),
  '429 with Retry-After': (_, answer) => say(answer, 429, 'text/plain', 'slow down', { 'Retry-After': '0' }),
  '500 as MLflow says it': (_, answer) =>
    say(answer, 500, 'application/json', '{"error_code":"INTERNAL_ERROR","message":"database is locked"}'),
  '500 although it was done': (_, answer) => {
    setImmediate(() => say(answer, 500, 'text/plain', 'oops'));
    return 'work, then handled';
  },
  'a web page': (_, answer) => say(answer, 200, 'text/html', '<html><body>Please log in</body></html>'),
  '502 web page': (_, answer) => say(answer, 502, 'text/html', '<html><h1>Bad Gateway</h1></html>'),
  'half an answer': (_, answer) => {
    answer.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': '1000' });
    answer.write('{"run": {"in');
    setTimeout(() => answer.destroy(), 5);
    return 'work, then handled';
  },
  'a drip of bytes': (_, answer) => {
    answer.writeHead(200, { 'Content-Type': 'application/json' });
    const timer = setInterval(() => answer.write(' '), 20);
    answer.on('close', () => clearInterval(timer));
    return 'work, then handled';
  },
  'no answer at all': () => 'work, then handled',
  'connection reset': (_, answer) => {
    answer.socket?.resetAndDestroy();
    return 'handled';
  },
  'connection reset when it was done': (_, answer) => {
    setImmediate(() => answer.socket?.resetAndDestroy());
    return 'work, then handled';
  },
};

describe('the client', () => {
  test('says what failed in typed errors, and advises', async () => {
    const server = await fakeServer();
    const client = clientOf(server.address, {
      MLFLOW_HTTP_REQUEST_MAX_RETRIES: '1',
      MLFLOW_HTTP_REQUEST_TIMEOUT: '0.3',
    });
    const met: Record<string, unknown[]> = {};
    for (const [name, mishap] of Object.entries(mishaps)) {
      server.mishap = mishap;
      const before = server.calls.length;
      const error = await failure(client.getRun('x'));
      met[name] = [error.httpStatus, error.errorCode, error.retryable, server.calls.length - before];
      expect(error.message).toContain(`${server.address}: runs/get: `);
    }
    expect(met).toEqual({
      '403 text': [403, 'HTTP_403', false, 1],
      '429 with Retry-After': [429, 'HTTP_429', true, 2],
      '500 as MLflow says it': [500, 'INTERNAL_ERROR', true, 2],
      '500 although it was done': [500, 'HTTP_500', true, 2],
      'a web page': [200, 'NOT_MLFLOW', false, 1],
      '502 web page': [502, 'HTTP_502', true, 2],
      'half an answer': [0, 'UND_ERR_SOCKET', true, 2],
      'a drip of bytes': [0, 'TIMEOUT', true, 2],
      'no answer at all': [0, 'TIMEOUT', true, 2],
      'connection reset': [0, 'ECONNRESET', true, 2],
      'connection reset when it was done': [0, 'ECONNRESET', true, 2],
    });
    server.mishap = mishaps['403 text'];
    expect((await failure(client.getRun('x'))).message).toContain('--allowed-hosts');
    server.mishap = () => 'work';
    expect(await failure(client.getRun('x'))).toMatchObject({
      httpStatus: 404,
      errorCode: 'RESOURCE_DOES_NOT_EXIST',
    });
    const gone = await import('node:net').then(
      ({ createServer }) =>
        new Promise<number>((resolve) => {
          const listener = createServer().listen(0, '127.0.0.1', () => {
            const { port } = listener.address() as { port: number };
            listener.close(() => resolve(port));
          });
        }),
    );
    const nobody = clientOf(`http://127.0.0.1:${gone}`, { MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0' });
    expect(await failure(nobody.getRun('x'))).toMatchObject({
      httpStatus: 0,
      errorCode: 'ECONNREFUSED',
      uncertain: false,
    });
  });

  test('waits as MLflow’s Python client does, and as long as the server asks', async () => {
    const settings = serverSettings('http://h', {});
    expect(settings.retry).toEqual({ times: 7, factor: 2, jitter: 1 });
    expect(settings.timeout).toBe(120);
    expect([1, 2, 3, 4, 5, 6, 7].map((n) => backoff(settings, n, 0))).toEqual([
      0, 4000, 8000, 16_000, 32_000, 64_000, 120_000,
    ]);
    expect(backoff(settings, 2, 0.5)).toBe(4500);
    const server = await fakeServer();
    server.mishap = ({ count }, answer) =>
      count === 0 ? say(answer, 429, 'text/plain', '', { 'Retry-After': '1' }) : 'work';
    const started = performance.now();
    await failure(clientOf(server.address).getRun('x'));
    expect(performance.now() - started).toBeGreaterThan(950);
    expect(server.calls).toHaveLength(2);
  });

  test('an aborted signal ends it at once, in a wait too', async () => {
    const server = await fakeServer();
    for (const mishap of [
      mishaps['no answer at all'],
      ((_, answer) => say(answer, 503, 'text/plain', '', { 'Retry-After': '60' })) as Mishap,
    ]) {
      server.mishap = mishap;
      const controller = new AbortController();
      setTimeout(() => controller.abort(new Error('enough')), 100);
      const started = performance.now();
      await expect(clientOf(server.address).getRun('x', controller.signal)).rejects.toThrow('enough');
      expect(performance.now() - started).toBeLessThan(5000);
    }
  });

  test('logs in, and prints no credential', async () => {
    const home = await temporaryFolder();
    const server = await fakeServer();
    const header = async (
      uri: string,
      env: Record<string, string>,
      from = home,
    ): Promise<string | undefined> => {
      const client = createClient(serverSettings(uri, env, from));
      await client.experimentByName('x').catch(() => {});
      return server.calls.at(-1)?.headers.authorization;
    };
    const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
    const user = { MLFLOW_TRACKING_USERNAME: 'me', MLFLOW_TRACKING_PASSWORD: 'sécret' };
    expect(await header(server.address, {})).toBeUndefined();
    expect(await header(server.address, user)).toBe(basic('me:sécret'));
    expect(await header(server.address, { ...user, MLFLOW_TRACKING_TOKEN: 'tok' })).toBe(basic('me:sécret'));
    expect(await header(server.address, { MLFLOW_TRACKING_TOKEN: 'tok' })).toBe('Bearer tok');
    const inAddress = server.address.replace('//', '//you:p%40ss@');
    expect(await header(inAddress, {})).toBe(basic('you:p@ss'));
    await import('node:fs/promises').then(({ mkdir }) => mkdir(join(home, '.mlflow')));
    await writeFile(
      join(home, '.mlflow/credentials'),
      '[other]\nmlflow_tracking_username = no\n[mlflow]\nmlflow_tracking_username = file\nmlflow_tracking_password: f1le\n',
    );
    expect(await header(server.address, {})).toBe(basic('file:f1le'));
    expect(await header(server.address, user)).toBe(basic('me:sécret'));
    const workspace = createClient(serverSettings(server.address, { MLFLOW_WORKSPACE: 'lab' }, home));
    await failure(workspace.getRun('x'));
    expect(server.calls.at(-1)?.headers['x-mlflow-workspace']).toBe('lab');
    expect(server.calls.every(({ headers }) => headers.origin === undefined)).toBe(true);

    // a server that repeats what it was sent
    server.mishap = (_, answer) =>
      say(answer, 401, 'text/plain', `no: ${answer.req.headers.authorization} p@ss ${answer.req.url}`);
    const error = await failure(
      createClient(serverSettings(inAddress, {}, await temporaryFolder())).getRun('x'),
    );
    expect(error.message).toContain('MLFLOW_TRACKING_USERNAME');
    for (const secret of ['p@ss', 'p%40ss', basic('you:p@ss').slice(6)]) {
      expect(error.message).not.toContain(secret);
      expect(error.stack).not.toContain(secret);
    }
    const store = await temporaryFolder();
    const { heard, onWarning } = listen();
    const tracker = await openTracker({
      env: { MLFLOW_TRACKING_URI: inAddress, BANDALIGN_TRACKING_PATIENCE: '0.5' },
      directory: store,
      onWarning,
    });
    await (await tracker.startRun({ experiment: 'e', name: 'n' })).end();
    await tracker.close();
    expect(heard.join() + tracker.where + tracker.server).not.toMatch(/p@ss|p%40ss|you:/);
    expect(heard.join()).toContain('401');
    expect(() => serverSettings('http://me:pw@[bad', {})).toThrow('http://[bad');
  });

  test('a redirect is named instead of followed', async () => {
    const server = await fakeServer();
    server.mishap = (_, answer) =>
      say(answer, 301, 'text/plain', '', { Location: 'https://me:pw@elsewhere/' });
    const error = await failure(clientOf(server.address).createExperiment('x'));
    expect(error.message).toContain('points to https://elsewhere/');
    expect(server.calls).toHaveLength(1);
  });

  test('a certificate of one’s own: refused, then trusted by MLFLOW_TRACKING_SERVER_CERT_PATH or not asked for', async () => {
    const folder = await temporaryFolder();
    const { execFileSync } = await import('node:child_process');
    try {
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'rsa:2048',
          '-nodes',
          '-days',
          '2',
          '-subj',
          '/CN=localhost',
          '-addext',
          'subjectAltName=DNS:localhost,IP:127.0.0.1',
          '-keyout',
          join(folder, 'key.pem'),
          '-out',
          join(folder, 'cert.pem'),
        ],
        { stdio: 'ignore' },
      );
    } catch {
      console.warn('the test of certificates is left out: there is no openssl');
      return;
    }
    const { createServer } = await import('node:https');
    const { readFileSync } = await import('node:fs');
    const server = createServer(
      { key: readFileSync(join(folder, 'key.pem')), cert: readFileSync(join(folder, 'cert.pem')) },
      (_, answer) => answer.end('3.0.0'),
    );
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `https://127.0.0.1:${(server.address() as { port: number }).port}`;
    try {
      const error = await failure(clientOf(address).version());
      expect(error).toMatchObject({ retryable: false });
      expect(error.message).toContain('MLFLOW_TRACKING_SERVER_CERT_PATH');
      expect(
        await clientOf(address, { MLFLOW_TRACKING_SERVER_CERT_PATH: join(folder, 'cert.pem') }).version(),
      ).toBe('3.0.0');
      expect(await clientOf(address, { MLFLOW_TRACKING_INSECURE_TLS: 'true' }).version()).toBe('3.0.0');
      await expect(
        clientOf(address, { MLFLOW_TRACKING_SERVER_CERT_PATH: join(folder, 'none') }).version(),
      ).rejects.toThrow('MLFLOW_TRACKING_SERVER_CERT_PATH: ');
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('batches keep all limits and the order, and leave nothing out', () => {
    const pair = fc.record({
      key: fc.string({ minLength: 1, maxLength: 20 }),
      value: fc.integer({ min: 0, max: 9000 }).map((n) => 'ü'.repeat(n)),
    });
    fc.assert(
      fc.property(
        fc.array(pair, { maxLength: 250 }),
        fc.array(pair, { maxLength: 250 }),
        fc.nat(2500),
        (params, tags, n) => {
          const metrics = Array.from({ length: n }, (_, step) => ({
            key: 'm',
            value: step,
            timestamp: 1,
            step,
          }));
          const batches = splitBatches({ params, tags, metrics });
          for (const batch of batches) {
            expect(batch.metrics.length).toBeLessThanOrEqual(limits.metrics);
            expect(batch.params.length).toBeLessThanOrEqual(limits.params);
            expect(batch.tags.length).toBeLessThanOrEqual(limits.tags);
            expect(batch.metrics.length + batch.params.length + batch.tags.length).toBeLessThanOrEqual(
              limits.total,
            );
            expect(Buffer.byteLength(JSON.stringify({ run_id: 'x'.repeat(32), ...batch }))).toBeLessThan(
              limits.bytes,
            );
          }
          expect(batches.flatMap((batch) => batch.params)).toEqual(params);
          expect(batches.flatMap((batch) => batch.tags)).toEqual(tags);
          expect(batches.flatMap((batch) => batch.metrics)).toEqual(metrics);
        },
      ),
      { numRuns: 20 },
    );
  });

  test('artifacts go where their address says, or are refused with advice', () => {
    const at = (uri: string, address = 'http://127.0.0.1:5000') => artifactPlace(address, uri);
    const service = '/api/2.0/mlflow-artifacts/artifacts';
    expect(at('mlflow-artifacts:/1/ab/artifacts')).toEqual({
      kind: 'proxy',
      base: `${service}/1/ab/artifacts`,
    });
    expect(at('mlflow-artifacts://host:80/1/a', 'https://x')).toEqual({
      kind: 'proxy',
      base: `https://host:80${service}/1/a`,
    });
    expect(at('file:///srv/a%20b')).toEqual({ kind: 'folder', folder: '/srv/a b' });
    expect(at('/srv/a')).toEqual({ kind: 'folder', folder: '/srv/a' });
    for (const [uri, address] of [
      ['/srv/a', 'http://far:5000'],
      ['s3://bucket/x', undefined],
      ['gs://b', undefined],
      ['dbfs:/x', undefined],
    ] as const)
      expect(at(uri, address)).toMatchObject({
        kind: 'refused',
        why: expect.stringContaining('--serve-artifacts'),
      });
  });
});

describe('whatever the server does, training goes on and every point arrives once', () => {
  for (const [name, mishap] of Object.entries(mishaps))
    test(name, async () => {
      const server = await fakeServer();
      // every third request meets the mishap, for a while
      server.mishap = (request, answer) =>
        request.count % 3 === 1 && request.count < 30 ? mishap(request, answer) : 'work';
      const store = await temporaryFolder();
      const { heard, onWarning } = listen();
      const env = {
        MLFLOW_TRACKING_URI: server.address,
        MLFLOW_HTTP_REQUEST_TIMEOUT: '0.3',
        MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: '0',
        BANDALIGN_TRACKING_PATIENCE: '3',
      };
      const tracker = await openTracker({ env, directory: store, onWarning });
      const parent = await tracker.startRun({ experiment: 'e', name: 'parent' });
      const run = await tracker.startRun({ experiment: 'e', name: 'child', parent: parent.runId });
      run.logParams({ a: 1, b: { c: 'x' } });
      for (let step = 0; step < 2500; step++) run.logMetrics(step, { loss: step, other: Number.NaN });
      await run.logArtifact(Buffer.from('bytes'), 'a/b.bin');
      await run.end();
      await parent.end();
      await tracker.close();
      server.mishap = () => 'work';
      const destination = openDestination(clientOf(server.address), {}, store, onWarning);
      expect(await syncStore(destination, store)).toMatchObject({ runs: 2, complete: 2, failed: [] });
      expect(server.runs).toHaveLength(2);
      const child = server.runs.find((one) => one.name === 'child')!;
      expect(child).toMatchObject({ status: 'FINISHED', params: { a: '1', 'b.c': 'x' } });
      expect(child.tags['mlflow.parentRunId']).toBe(server.runs.find((one) => one.name === 'parent')!.id);
      for (const key of ['loss', 'other'])
        expect(
          child.points
            .filter((point) => point.key === key)
            .map((point) => point.step)
            .sort((a, b) => a - b),
        ).toEqual(Array.from({ length: 2500 }, (_, step) => step));
      expect(child.files['a/b.bin'].toString()).toBe('bytes');
      expect(heard.length).toBeLessThan(12);
    });
});

test('a store brought to a new experiment: one search for all its runs, and a run whose making got no answer is one run', async () => {
  const server = await fakeServer();
  const store = await temporaryFolder();
  const { onWarning } = listen();
  const tracker = await openTracker({ env: {}, directory: store, onWarning });
  for (let n = 0; n < 12; n++) {
    const run = await tracker.startRun({ experiment: 'e', name: `run ${n}` });
    run.logMetrics(1, { loss: n });
    await run.end();
  }
  await tracker.close();
  let made = 0;
  server.mishap = ({ path }, answer) => {
    if (!path.endsWith('runs/create') || ++made !== 5) return 'work';
    answer.destroy();
    return 'work, then handled';
  };
  const destination = openDestination(clientOf(server.address), {}, store, onWarning);
  expect(await syncStore(destination, store)).toMatchObject({ runs: 12, complete: 12, points: 12 });
  expect(server.runs.map(({ name }) => name).sort()).toEqual(
    Array.from({ length: 12 }, (_, n) => `run ${n}`).sort(),
  );
  const searches = (): number => server.calls.filter(({ path }) => path.endsWith('runs/search')).length;
  expect(searches()).toBe(2);

  // a store whose memory is lost finds them again, each by its own id
  for (const run of await listRuns(store)) await rm(join(run.folder, 'bandalign.sync.json'));
  expect(await syncStore(destination, store)).toMatchObject({ complete: 12, points: 0 });
  expect(server.runs).toHaveLength(12);
});

test('one item that the server refuses takes nothing else with it; a value too long for an old server is cut', async () => {
  const server = await fakeServer();
  const store = await temporaryFolder();
  const { heard, onWarning } = listen();
  const tracker = await openTracker({
    env: { MLFLOW_TRACKING_URI: server.address },
    directory: store,
    onWarning,
  });
  const run = await tracker.startRun({ experiment: 'e', name: 'n' });
  run.logParams({
    good: 1,
    bad: 'poison',
    long: 'x'.repeat(900),
    ...Object.fromEntries(Array.from({ length: 150 }, (_, n) => [`p${n}`, n])),
  });
  for (let step = 0; step < 1500; step++) run.logMetrics(step, { loss: step });
  await run.end();
  await tracker.close();
  const [there] = server.runs;
  expect(Object.keys(there.params)).toHaveLength(152);
  expect(there.params['long']).toBe('x'.repeat(500));
  expect(there.points).toHaveLength(1500);
  expect(there.status).toBe('FINISHED');
  expect(heard).toHaveLength(1);
  expect(heard[0]).toContain('does not take bad: ');
});

test('a server that is away costs a run a bounded time, and the next run brings what was left', async () => {
  const server = await fakeServer();
  server.mishap = mishaps['no answer at all'];
  const store = await temporaryFolder();
  const { heard, onWarning } = listen();
  const env = { MLFLOW_TRACKING_URI: server.address, BANDALIGN_TRACKING_PATIENCE: '1' };
  const started = performance.now();
  const first = await openTracker({ env, directory: store, onWarning });
  const run = await first.startRun({ experiment: 'e', name: 'first' });
  run.logMetrics(1, { loss: 1 });
  await run.end();
  await first.close();
  expect(performance.now() - started).toBeLessThan(15_000);
  expect(
    heard.some((text) => text.includes(`bandalign track sync --from ${store} --to ${server.address}`)),
  ).toBe(true);
  server.runs.length = 0;
  server.mishap = () => 'work';
  const second = await openTracker({ env, directory: store, onWarning });
  await (await second.startRun({ experiment: 'e', name: 'second' })).end();
  await second.close();
  expect(server.runs.map(({ name, status }) => [name, status]).sort()).toEqual([
    ['first', 'FINISHED'],
    ['second', 'FINISHED'],
  ]);
  expect(server.runs.find(({ name }) => name === 'first')?.points).toHaveLength(1);
});
