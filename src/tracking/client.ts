/*
 * MLflow's REST interface as bandalign uses it. Found out on a real server (3.17.2, SQLite), November 2026:
 * - NaN and infinities go as the words "NaN", "Infinity", "-Infinity"; NaN comes back as "NaN", an infinity as
 *   ±1.797e308, on a server with a file store as a word too.
 * - log-batch: 1001 metrics, 101 params or 101 tags are 400 INVALID_PARAMETER_VALUE, as is a key of 251 characters;
 *   1.1 MB was taken. A param value of 6001 characters is cut to 6000 and may be sent again; another value is 400
 *   "Changing param values is not allowed".
 * - The metrics of one log-batch and the latest value of each are one transaction on a database; a file store appends
 *   them in order. The same point twice is one point on a database and two on a file store.
 * - A wrong host is 403 with the bare text "Invalid Host header - possible DNS rebinding attack detected"; an upload to a
 *   server with --no-serve-artifacts is 503 {"detail": "Artifact serving is disabled. …"}, and its artifact_uri is a path.
 * - An artifact with # in its name is 400 "Invalid path".
 * - experiments/get-by-name finds deleted experiments; runs/search with run_view_type ALL finds deleted runs.
 */
import { type Call, createRequest, hasCode, parseAnswer } from './http.js';
import type { ServerSettings } from './settings.js';

export interface ServerPair {
  key: string;
  value: string;
}

/** A point; NaN and infinities are allowed. */
export interface ServerMetric {
  key: string;
  value: number;
  /** ms since 1970 */
  timestamp: number;
  step: number;
  /** Logged model that it is a score of. */
  model_id?: string;
}

export interface ServerRun {
  info: {
    run_id: string;
    experiment_id: string;
    status: string;
    artifact_uri: string;
    lifecycle_stage: 'active' | 'deleted';
  };
  /** Of each metric the last point: highest step, then time. */
  data: { params?: ServerPair[]; tags?: ServerPair[]; metrics?: { key: string; step?: number | string }[] };
  inputs?: { dataset_inputs?: unknown[] };
  outputs?: { model_outputs?: unknown[] };
}

/** A dataset that a run used, and what for: `train`, `val`, `test`. */
export interface DatasetInput {
  name: string;
  /** At most 36 characters. */
  digest: string;
  source_type: string;
  source: string;
  schema: string;
  profile: string;
  context: string;
}

/** A model of a run, with its weights. */
interface LoggedModel {
  info: { model_id: string; name: string; artifact_uri: string };
}

/** JSON has no NaN and no infinities: MLflow takes them as words. */
const jsonNumber = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** What a run logs, by kind. */
export interface LoggedBatch {
  params?: readonly ServerPair[];
  tags?: readonly ServerPair[];
  metrics?: readonly ServerMetric[];
}

/** Where uploads to an `artifact_uri` go: a path or address of the server's artifact service; undefined where it has none. */
export const artifactService = (address: string, uri: string): string | undefined => {
  const [, host, path] = /^mlflow-artifacts:(?:\/\/([^/]*))?(.*)$/i.exec(uri) ?? [];
  if (path === undefined) return undefined;
  const server = host ? `${new URL(address).protocol}//${host}` : '';
  return `${server}/api/2.0/mlflow-artifacts/artifacts/${encoded(path.replace(/^\/+|\/+$/g, ''))}`;
};

export type MlflowClient = ReturnType<typeof createClient>;

/** The calls of MLflow's REST interface that bandalign makes; they end when `signal` is aborted. */
export const createClient = (settings: ServerSettings, signal?: AbortSignal) => {
  const { address } = settings;
  const request = createRequest(settings, signal);
  const call = async <T>(
    method: Call['method'],
    path: string,
    rest: Omit<Call, 'method' | 'path'>,
  ): Promise<T> =>
    parseAnswer<T>(address, path, await request({ method, path: `/api/2.0/mlflow/${path}`, ...rest }));
  const post = <T>(path: string, json: unknown, once = false): Promise<T> =>
    call<T>('POST', path, { json, once });

  const searchRuns = async (
    experimentId: string,
    filter: string,
    run_view_type: 'ALL' | 'DELETED_ONLY' = 'ALL',
  ): Promise<ServerRun[]> => {
    const all: ServerRun[] = [];
    const search = { experiment_ids: [experimentId], filter, run_view_type, max_results: 1000 };
    for (let page_token: string | undefined = ''; page_token !== undefined; ) {
      const json = { ...search, ...(page_token && { page_token }) };
      const page: { runs?: ServerRun[]; next_page_token?: string } = await post('runs/search', json);
      for (const run of page.runs ?? []) all.push(run);
      page_token = page.next_page_token || undefined;
    }
    return all;
  };

  return {
    /** For people: without credentials. */
    address,
    request,
    retry: settings.retry,
    /** Undefined where there is none; a deleted one is found too. */
    experimentByName: async (experiment_name: string) => {
      type Found = { experiment: { experiment_id: string; lifecycle_stage: 'active' | 'deleted' } };
      const path = 'experiments/get-by-name';
      try {
        return (await call<Found>('GET', path, { query: { experiment_name } })).experiment;
      } catch (error) {
        if (hasCode(error, 'RESOURCE_DOES_NOT_EXIST')) return undefined;
        throw error;
      }
    },
    createExperiment: async (name: string, tags: readonly ServerPair[]): Promise<string> =>
      (await post<{ experiment_id: string }>('experiments/create', { name, tags })).experiment_id,
    /** Not repeated on failure: each success makes a run. */
    createRun: async (run: {
      experiment_id: string;
      run_name: string;
      start_time: number;
      tags: readonly ServerPair[];
    }): Promise<void> => void (await post('runs/create', run, true)),
    updateRun: async (run: { run_id: string; status: string; end_time?: number }): Promise<void> =>
      void (await post('runs/update', run)),
    deleteRun: async (run_id: string): Promise<void> => void (await post('runs/delete', { run_id })),
    searchRuns,
    /** Those of `runIds` that have the score which a finished run gets, and are not deleted. */
    finishedRuns: async (experimentId: string, runIds: readonly string[]): Promise<Set<string>> => {
      const there = new Set<string>();
      for (let first = 0; first < runIds.length; first += 100) {
        const part = runIds.slice(first, first + 100);
        const words = ['metric_key=run%2Fseconds', 'max_results=25000', ...part.map((id) => `run_id=${id}`)];
        // what MLflow's own pages ask: a row a run, where a search makes up each run in full
        const path = `/ajax-api/2.0/mlflow/metrics/get-history-bulk?${words.join('&')}`;
        const text = await request({ method: 'GET', path });
        for (const { run_id } of parseAnswer<{ metrics?: { run_id: string }[] }>(address, path, text)
          .metrics ?? [])
          there.add(run_id);
        const list = part.map((id) => `'${id}'`).join(', ');
        for (const { info } of await searchRuns(
          experimentId,
          `attributes.run_id IN (${list})`,
          'DELETED_ONLY',
        ))
          there.delete(info.run_id);
      }
      return there;
    },
    /** Not repeated on failure when it holds points: a server with a file store keeps what it is sent twice. */
    logBatch: async (run_id: string, { metrics, ...pairs }: LoggedBatch): Promise<void> => {
      const numbers = metrics?.map((metric) => ({ ...metric, value: jsonNumber(metric.value) }));
      await post('runs/log-batch', { run_id, metrics: numbers, ...pairs }, numbers !== undefined);
    },
    logInputs: async (run_id: string, datasets: readonly DatasetInput[]): Promise<void> => {
      const inputs = datasets.map(({ context, ...dataset }) => ({
        dataset,
        tags: [{ key: 'mlflow.data.context', value: context }],
      }));
      await post('runs/log-inputs', { run_id, datasets: inputs });
    },
    /** The logged models of a run. */
    modelsOf: async (experimentId: string, runId: string): Promise<LoggedModel[]> => {
      const search = { experiment_ids: [experimentId], filter: `source_run_id = '${runId}'` };
      return (await post<{ models?: LoggedModel[] }>('logged-models/search', search)).models ?? [];
    },
    createModel: async (model: object): Promise<LoggedModel> =>
      (await post<{ model: LoggedModel }>('logged-models', model, true)).model,
    /** Says that a model's files are there, and that the run at `step` made it. */
    finishModel: async (model_id: string, run_id: string, step: number): Promise<void> => {
      const json = { model_id, status: 'LOGGED_MODEL_READY' };
      await call('PATCH', `logged-models/${model_id}`, { json });
      await post('runs/outputs', { run_id, models: [{ model_id, step }] });
    },
    /** Uploads to `path` of a service from {@link artifactService}. */
    putArtifact: async (service: string, path: string, body: Blob): Promise<void> =>
      void (await request({ method: 'PUT', path: `${service}/${encoded(path)}`, body })),
  };
};
