import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

const run = promisify(execFile);
const root = new URL('../..', import.meta.url).pathname;
const script = join(root, 'test/services/mlflow.sh');

/** Address of a real MLflow server; undefined leaves its tests out. */
export const realServer = process.env['BANDALIGN_TEST_MLFLOW'];

if (!realServer)
  console.warn(
    'tests with a real MLflow server are left out; `export BANDALIGN_TEST_MLFLOW=$(test/services/mlflow.sh start)` runs them',
  );

/** The Python that has MLflow. */
export const mlflowPython = async (): Promise<string> => (await run(script, ['python'])).stdout.trim();

/** Another server, on a port of its own, that the test may kill. */
export const ownServer = async (port: number, options = '') => {
  const folder = await mkdtemp(join(tmpdir(), 'bandalign-mlflow-'));
  const env = {
    ...process.env,
    MLFLOW_SERVICE_PORT: String(port),
    MLFLOW_SERVICE_DIR: folder,
    MLFLOW_SERVICE_OPTIONS: options,
  };
  const call = async (word: string): Promise<string> =>
    (await run(script, [word], { env, timeout: 110_000 })).stdout.trim();
  onTestFinished(async () => {
    await call('kill');
    await rm(folder, { recursive: true, force: true });
  });
  return {
    address: `http://127.0.0.1:${port}`,
    start: async (): Promise<void> => {
      if ((await call('start')) === '') throw new Error('the server did not start');
    },
    kill: (): Promise<string> => call('kill'),
  };
};

interface Pair {
  key: string;
  value: string;
}

/** A run as the server's REST interface tells it; read without the client that is tested. */
export interface RestRun {
  info: {
    run_id: string;
    run_name: string;
    status: string;
    start_time: number;
    end_time?: number;
    artifact_uri: string;
  };
  data: { params?: Pair[]; tags?: Pair[] };
  inputs?: { dataset_inputs?: { dataset: Record<string, string>; tags?: Pair[] }[] };
}

const json = async <T>(address: string, path: string, body?: unknown): Promise<T> => {
  const answer = await fetch(`${address}/api/2.0/mlflow/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as T;
};

/** All runs of an experiment. */
export const restRuns = async (address: string, experiment: string): Promise<RestRun[]> => {
  const name = encodeURIComponent(experiment);
  const found = await json<{ experiment: { experiment_id: string } }>(
    address,
    `experiments/get-by-name?experiment_name=${name}`,
  );
  const { runs } = await json<{ runs?: RestRun[] }>(address, 'runs/search', {
    experiment_ids: [found.experiment.experiment_id],
    max_results: 1000,
  });
  return runs ?? [];
};

export interface RestPoint {
  step: number;
  value: number | string;
  timestamp: number;
}

/** All points of a metric. */
export const restHistory = async (address: string, runId: string, key: string): Promise<RestPoint[]> => {
  const points: RestPoint[] = [];
  let token = '';
  do {
    const page = await json<{ metrics?: RestPoint[]; next_page_token?: string }>(
      address,
      `metrics/get-history?run_id=${runId}&metric_key=${encodeURIComponent(key)}&max_results=25000${token && `&page_token=${encodeURIComponent(token)}`}`,
    );
    points.push(...(page.metrics ?? []));
    token = page.next_page_token ?? '';
  } while (token !== '');
  return points.map(({ step, value, timestamp }) => ({
    step: Number(step),
    value,
    timestamp: Number(timestamp),
  }));
};

/** Bytes of an artifact. */
export const restArtifact = async (address: string, run: RestRun, path: string): Promise<Buffer> => {
  const base = run.info.artifact_uri.replace('mlflow-artifacts:/', '');
  const answer = await fetch(`${address}/api/2.0/mlflow-artifacts/artifacts/${base}/${path}`);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return Buffer.from(await answer.arrayBuffer());
};

export const pairs = (list: Pair[] | undefined): Record<string, string> =>
  Object.fromEntries((list ?? []).map(({ key, value }) => [key, value]));
