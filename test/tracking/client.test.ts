import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits, splitItems } from '../../src/tracking/batches.js';
import type { LoggedBatch } from '../../src/tracking/client.js';
import {
  artifactService,
  createClient,
  type ServerMetric,
  type ServerPair,
} from '../../src/tracking/client.js';
import { backoff, MlflowError } from '../../src/tracking/http.js';
import { serverSettings } from '../../src/tracking/settings.js';
import { fakeServer, type Mishap } from './fake-server.js';
import { mishaps, say } from './mishaps.js';
import { temporaryFolder } from './stores.js';

const clientOf = (address: string, env: Record<string, string> = {}) =>
  createClient(
    serverSettings(address, {
      MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR: '0',
      MLFLOW_HTTP_REQUEST_BACKOFF_JITTER: '0',
      ...env,
    }),
  );

type Item = ServerPair | ServerMetric;

const running = { run_id: 'x', status: 'RUNNING' };

const failure = async (work: Promise<unknown>): Promise<MlflowError> => {
  try {
    await work;
  } catch (error) {
    if (error instanceof MlflowError) return error;
    throw error;
  }
  throw new Error('it did not fail');
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
      const error = await failure(client.updateRun(running));
      met[name] = [error.httpStatus, error.errorCode, error.retryable, server.calls.length - before];
      expect(error.message).toContain(`${server.address}: runs/update: `);
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
    expect((await failure(client.updateRun(running))).message).toContain('--allowed-hosts');
    server.mishap = () => 'work';
    expect(await failure(client.updateRun(running))).toMatchObject({
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
    expect(await failure(nobody.updateRun(running))).toMatchObject({
      httpStatus: 0,
      errorCode: 'ECONNREFUSED',
    });
  });

  test('waits as MLflow’s Python client does, and as long as the server asks', async () => {
    const settings = serverSettings('http://h', {});
    expect(settings.retry).toEqual({ times: 7, factor: 2, jitter: 1 });
    expect(settings.timeout).toBe(120);
    expect([1, 2, 3, 4, 5, 6, 7].map((n) => backoff(settings.retry, n, 0))).toEqual([
      0, 4000, 8000, 16_000, 32_000, 64_000, 120_000,
    ]);
    expect(backoff(settings.retry, 2, 0.5)).toBe(4500);
    const server = await fakeServer();
    server.mishap = ({ count }, answer) =>
      count === 0 ? say(answer, 429, 'text/plain', '', { 'Retry-After': '1' }) : 'work';
    const started = performance.now();
    await failure(clientOf(server.address).updateRun(running));
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
      await expect(
        createClient(serverSettings(server.address, {}), controller.signal).updateRun(running),
      ).rejects.toThrow('enough');
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
    await failure(workspace.updateRun(running));
    expect(server.calls.at(-1)?.headers['x-mlflow-workspace']).toBe('lab');
    expect(server.calls.every(({ headers }) => headers.origin === undefined)).toBe(true);

    // a server that repeats what it was sent
    server.mishap = (_, answer) =>
      say(answer, 401, 'text/plain', `no: ${answer.req.headers.authorization} p@ss ${answer.req.url}`);
    const error = await failure(
      createClient(serverSettings(inAddress, {}, await temporaryFolder())).updateRun(running),
    );
    expect(error.message).toContain('MLFLOW_TRACKING_USERNAME');
    for (const secret of ['p@ss', 'p%40ss', basic('you:p@ss').slice(6)]) {
      expect(error.message).not.toContain(secret);
      expect(error.stack).not.toContain(secret);
    }
    expect(() => serverSettings('http://me:pw@[bad', {})).toThrow('http://[bad');
  });

  test('a redirect is named instead of followed', async () => {
    const server = await fakeServer();
    server.mishap = (_, answer) =>
      say(answer, 301, 'text/plain', '', { Location: 'https://me:pw@elsewhere/' });
    const error = await failure(clientOf(server.address).createExperiment('x', []));
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
      const error = await failure(clientOf(address).request({ method: 'GET', path: '/version' }));
      expect(error).toMatchObject({ retryable: false });
      expect(error.message).toContain('MLFLOW_TRACKING_SERVER_CERT_PATH');
      expect(
        await clientOf(address, { MLFLOW_TRACKING_SERVER_CERT_PATH: join(folder, 'cert.pem') }).request({
          method: 'GET',
          path: '/version',
        }),
      ).toBe('3.0.0');
      expect(
        await clientOf(address, { MLFLOW_TRACKING_INSECURE_TLS: 'true' }).request({
          method: 'GET',
          path: '/version',
        }),
      ).toBe('3.0.0');
      await expect(
        clientOf(address, { MLFLOW_TRACKING_SERVER_CERT_PATH: join(folder, 'none') }).request({
          method: 'GET',
          path: '/version',
        }),
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
          for (const [kind, items] of Object.entries({ params, tags, metrics }) as [
            keyof LoggedBatch,
            Item[],
          ][]) {
            const parts = splitItems(kind, items);
            for (const part of parts) {
              expect(part.length).toBeLessThanOrEqual(limits[kind]);
              expect(
                Buffer.byteLength(JSON.stringify({ run_id: 'x'.repeat(32), [kind]: part })),
              ).toBeLessThan(limits.bytes);
            }
            expect(parts.flat()).toEqual(items);
          }
        },
      ),
      { numRuns: 20 },
    );
  });

  test('artifacts go to the service that their address names, and nowhere else', () => {
    const at = (uri: string, address = 'http://127.0.0.1:5000') => artifactService(address, uri);
    const service = '/api/2.0/mlflow-artifacts/artifacts';
    expect(at('mlflow-artifacts:/1/ab/artifacts')).toBe(`${service}/1/ab/artifacts`);
    expect(at('mlflow-artifacts://host:80/1/a b', 'https://x')).toBe(`https://host:80${service}/1/a%20b`);
    for (const uri of ['file:///srv/a', '/srv/a', 's3://bucket/x', 'gs://b', 'dbfs:/x'])
      expect(at(uri)).toBeUndefined();
  });
});
