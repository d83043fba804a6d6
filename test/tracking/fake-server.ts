import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

interface Pair {
  key: string;
  value: string;
}

interface Point {
  key: string;
  value: number | string;
  timestamp: number;
  step: number;
}

/** A run that the server holds. Points may repeat, as on a server with a file store. */
export interface FakeRun {
  id: string;
  experiment: string;
  name: string;
  status: string;
  tags: Record<string, string>;
  params: Record<string, string>;
  points: Point[];
  files: Record<string, Buffer>;
  inputs: unknown[];
  isDeleted: boolean;
  /** Logged models, by name. */
  models: { id: string; name: string; status: string; isOutput: boolean; files: Record<string, Buffer> }[];
}

/** What happens to a request instead of, or after, what it asks for. */
export type Mishap = (
  request: { path: string; body: string; count: number },
  answer: ServerResponse,
) => 'handled' | 'work' | 'work, then handled';

const pairsOf = (record: Record<string, string>): Pair[] =>
  Object.entries(record).map(([key, value]) => ({ key, value }));

const send = (answer: ServerResponse, status: number, body: unknown): void => {
  answer.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
};

const read = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
};

/**
 * As much of MLflow's server as bandalign calls, with its limits and error shapes, for faults that a real one cannot be
 * brought to. It keeps repeated points, so a point sent twice is seen.
 */
export const fakeServer = async () => {
  const runs: FakeRun[] = [];
  const experiments: string[] = [];
  const deletedExperiments = new Set<string>();
  const calls: { path: string; headers: IncomingMessage['headers'] }[] = [];
  let mishap: Mishap = () => 'work';
  let count = 0;

  const info = (run: FakeRun) => ({
    info: {
      run_id: run.id,
      run_name: run.name,
      experiment_id: run.experiment,
      status: run.status,
      start_time: 1,
      artifact_uri: `mlflow-artifacts:/${run.id}`,
      lifecycle_stage: run.isDeleted ? 'deleted' : 'active',
    },
    data: {
      tags: pairsOf(run.tags),
      params: pairsOf(run.params),
      metrics: [
        ...new Map([...run.points].sort((a, b) => a.step - b.step).map((one) => [one.key, one])).values(),
      ],
    },
    inputs: { dataset_inputs: run.inputs },
    outputs: { model_outputs: run.models.filter(({ isOutput }) => isOutput) },
  });
  const modelInfo = ({ id, name }: FakeRun['models'][number]) => ({
    info: { model_id: id, name, artifact_uri: `mlflow-artifacts:/${id}` },
  });

  const work = (path: string, url: URL, body: Buffer): [number, unknown] => {
    const missing: [number, unknown] = [
      404,
      { error_code: 'RESOURCE_DOES_NOT_EXIST', message: 'there is none' },
    ];
    if (path.startsWith('/api/2.0/mlflow-artifacts/artifacts/')) {
      const [id, ...rest] = decodeURIComponent(
        path.slice('/api/2.0/mlflow-artifacts/artifacts/'.length),
      ).split('/');
      const owner = [...runs, ...runs.flatMap(({ models }) => models)].find((one) => one.id === id);
      if (!owner) return missing;
      owner.files[rest.join('/')] = body;
      return [200, {}];
    }
    if (path === '/ajax-api/2.0/mlflow/metrics/get-history-bulk') {
      const ids = new Set(url.searchParams.getAll('run_id'));
      const key = url.searchParams.get('metric_key');
      const asked = runs.filter(({ id, points }) => ids.has(id) && points.some((point) => point.key === key));
      return [200, { metrics: asked.map(({ id }) => ({ key, run_id: id })) }];
    }
    const json = JSON.parse(body.length === 0 ? '{}' : body.toString()) as Record<string, never>;
    const run = runs.find((one) => one.id === (json['run_id'] ?? url.searchParams.get('run_id')));
    const at = (name: string) => path === `/api/2.0/mlflow/${name}`;
    if (at('experiments/get-by-name')) {
      const id = experiments.indexOf(url.searchParams.get('experiment_name')!);
      return id < 0
        ? missing
        : [
            200,
            {
              experiment: {
                experiment_id: String(id),
                lifecycle_stage: deletedExperiments.has(experiments[id]) ? 'deleted' : 'active',
              },
            },
          ];
    }
    if (at('experiments/create') && experiments.includes(json['name']))
      return [400, { error_code: 'RESOURCE_ALREADY_EXISTS', message: 'there is one' }];
    if (at('experiments/create')) return [200, { experiment_id: String(experiments.push(json['name']) - 1) }];
    if (at('runs/search')) {
      const filter: string = json['filter'];
      const wanted = new Set([...filter.matchAll(/'(\w+)'/g)].map(([, id]) => id));
      const found = runs
        .filter((one) => one.experiment === json['experiment_ids'][0])
        .filter((one) => wanted.has(filter.includes('run_id IN') ? one.id : one.tags['bandalign.localRunId']))
        .filter((one) => json['run_view_type'] !== 'DELETED_ONLY' || one.isDeleted);
      return [200, { runs: found.slice(0, json['max_results']).map(info) }];
    }
    if (at('runs/create')) {
      const made: FakeRun = {
        id: randomBytes(8).toString('hex'),
        experiment: json['experiment_id'],
        name: json['run_name'],
        status: 'RUNNING',
        tags: Object.fromEntries((json['tags'] as Pair[]).map(({ key, value }) => [key, value])),
        params: {},
        points: [],
        files: {},
        inputs: [],
        isDeleted: false,
        models: [],
      };
      runs.push(made);
      return [200, { run: info(made) }];
    }
    if (at('logged-models/search')) {
      const source = /= '(\w+)'/.exec(json['filter'])?.[1];
      return [
        200,
        { models: runs.filter(({ id }) => id === source).flatMap(({ models }) => models.map(modelInfo)) },
      ];
    }
    if (at('logged-models')) {
      const owner = runs.find(({ id }) => id === json['source_run_id'])!;
      const id = `m-${owner.id}-${owner.models.length}`;
      owner.models.push({ id, name: json['name'], status: 'PENDING', isOutput: false, files: {} });
      return [200, { model: modelInfo(owner.models.at(-1)!) }];
    }
    if (path.startsWith('/api/2.0/mlflow/logged-models/')) {
      const model = runs.flatMap(({ models }) => models).find(({ id }) => id === json['model_id'])!;
      model.status = json['status'];
      return [200, {}];
    }
    if (!run) return missing;
    if (run.isDeleted) return [400, { error_code: 'INVALID_PARAMETER_VALUE', message: 'not active' }];
    if (at('runs/delete')) run.isDeleted = true;
    if (at('runs/log-inputs')) run.inputs = json['datasets'];
    if (at('runs/outputs'))
      for (const { model_id } of json['models'] as { model_id: string }[])
        run.models.find(({ id }) => id === model_id)!.isOutput = true;
    if (at('runs/get')) return [200, { run: info(run) }];
    if (at('runs/update')) run.status = json['status'];
    if (at('metrics/get-history'))
      return [200, { metrics: run.points.filter(({ key }) => key === url.searchParams.get('metric_key')) }];
    if (at('runs/log-batch')) {
      const {
        metrics = [],
        params = [],
        tags = [],
      } = json as unknown as Partial<Record<'metrics', Point[]>> & Partial<Record<'params' | 'tags', Pair[]>>;
      const total = metrics.length + params.length + tags.length;
      const bad = params.find(({ value }) => value === 'poison');
      if (
        metrics.length > 1000 ||
        params.length > 100 ||
        tags.length > 100 ||
        total > 1000 ||
        body.length > 1e6 ||
        bad
      )
        return [400, { error_code: 'INVALID_PARAMETER_VALUE', message: `too much, or ${bad?.key}` }];
      for (const { key, value } of params) {
        if (value.length > 500)
          return [
            400,
            { error_code: 'INVALID_PARAMETER_VALUE', message: `Param value exceeds length of 500` },
          ];
        run.params[key] = value;
      }
      for (const { key, value } of tags) run.tags[key] = value;
      run.points.push(...metrics);
    }
    return [200, {}];
  };

  const server = createServer((request, answer) => {
    void (async () => {
      const body = await read(request);
      const url = new URL(request.url!, 'http://x');
      calls.push({ path: url.pathname, headers: request.headers });
      const happens = mishap({ path: url.pathname, body: body.toString(), count: count++ }, answer);
      if (happens === 'handled') return;
      const [status, result] = work(url.pathname, url, body);
      if (happens === 'work') send(answer, status, result);
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    runs,
    calls,
    experiments,
    deletedExperiments,
    set mishap(next: Mishap) {
      mishap = next;
    },
  };
};
