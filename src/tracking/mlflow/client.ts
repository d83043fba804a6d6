/*
 * MLflow's REST interface as bandalign uses it. Found out on a real server (3.17.2, SQLite), November 2026:
 * - NaN and infinities go as the words "NaN", "Infinity", "-Infinity"; NaN comes back as "NaN", an infinity as
 *   ±1.797e308, on a server with a file store as a word too.
 * - log-batch: 1001 metrics, 101 params, 101 tags, or 1001 of all together are 400 INVALID_PARAMETER_VALUE, as is a key
 *   of 251 characters; 1.1 MB was taken. A param value of 6001 characters is cut to 6000 and may be sent again; another
 *   value is 400 "Changing param values is not allowed".
 * - The same point twice is one point on SQLite and two on a server with a file store.
 * - A wrong host is 403 with the bare text "Invalid Host header - possible DNS rebinding attack detected"; an upload to a
 *   server with --no-serve-artifacts is 503 {"detail": "Artifact serving is disabled. …"}, and its artifact_uri is a path.
 * - An artifact with # in its name is 400 "Invalid path".
 * - experiments/get-by-name finds deleted experiments; runs/search with run_view_type ALL finds deleted runs.
 * - `mlflow server` and `mlflow ui` both open a directory store under MLFLOW_ALLOW_FILE_STORE=true, and
 *   `mlflow migrate-filestore` takes one whole; files in a run's folder beside its meta.yaml are passed over.
 */
import { type Call, createRequest, parseAnswer, type Request } from './http.js';
import type { ServerSettings } from './settings.js';

export interface ServerExperiment {
  experiment_id: string;
  name: string;
  lifecycle_stage: 'active' | 'deleted';
  artifact_location: string;
}

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
}

export interface ServerRun {
  info: {
    run_id: string;
    run_name: string;
    experiment_id: string;
    status: string;
    start_time: number;
    end_time?: number;
    artifact_uri: string;
    lifecycle_stage: 'active' | 'deleted';
  };
  data: { params?: ServerPair[]; tags?: ServerPair[]; metrics?: ServerMetric[] };
  inputs?: { dataset_inputs?: { dataset: ServerDataset; tags?: ServerPair[] }[] };
}

export interface ServerDataset {
  name: string;
  digest: string;
  source_type: string;
  source: string;
  schema: string;
  profile: string;
}

export interface ServerFile {
  path: string;
  is_dir: boolean;
  file_size?: number;
}

export interface Batch {
  metrics: readonly ServerMetric[];
  params: readonly ServerPair[];
  tags: readonly ServerPair[];
}

/** The calls of MLflow's REST interface that bandalign makes. */
export interface MlflowClient {
  /** For people: without credentials. */
  readonly address: string;
  readonly retry: ServerSettings['retry'];
  readonly request: Request;
  version: (signal?: AbortSignal) => Promise<string>;
  experimentByName: (name: string, signal?: AbortSignal) => Promise<ServerExperiment>;
  createExperiment: (name: string, signal?: AbortSignal) => Promise<string>;
  /** Not repeated on failure: each success makes a run. */
  createRun: (
    run: { experiment_id: string; run_name: string; start_time: number; tags: readonly ServerPair[] },
    signal?: AbortSignal,
  ) => Promise<ServerRun>;
  updateRun: (
    run: { run_id: string; status?: string; end_time?: number; run_name?: string },
    signal?: AbortSignal,
  ) => Promise<void>;
  getRun: (runId: string, signal?: AbortSignal) => Promise<ServerRun>;
  searchRuns: (
    experimentIds: readonly string[],
    filter: string,
    signal?: AbortSignal,
  ) => Promise<ServerRun[]>;
  /** Whether these experiments hold a run that the filter is true of. */
  hasRuns: (experimentIds: readonly string[], filter: string, signal?: AbortSignal) => Promise<boolean>;
  /** Not repeated on failure when it holds points. */
  logBatch: (runId: string, batch: Batch, signal?: AbortSignal) => Promise<void>;
  logInputs: (
    runId: string,
    datasets: readonly { dataset: ServerDataset; tags: readonly ServerPair[] }[],
    signal?: AbortSignal,
  ) => Promise<void>;
  metricHistory: (runId: string, key: string, signal?: AbortSignal) => Promise<ServerMetric[]>;
  listArtifacts: (runId: string, path: string, signal?: AbortSignal) => Promise<ServerFile[]>;
}

/** JSON has no NaN and no infinities: MLflow takes them as words. */
const jsonNumber = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

const words: Readonly<Record<string, number>> = {
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
};

/** A metric's value in an answer; the databases keep an infinity as the largest double. */
export const serverNumber = (value: number | string): number => {
  const number = typeof value === 'string' ? (words[value] ?? Number(value)) : value;
  if (number >= Number.MAX_VALUE) return Number.POSITIVE_INFINITY;
  return number <= -Number.MAX_VALUE ? Number.NEGATIVE_INFINITY : number;
};

const parseMetric = (metric: ServerMetric): ServerMetric => ({
  key: metric.key,
  value: serverNumber(metric.value),
  timestamp: Number(metric.timestamp),
  step: Number(metric.step ?? 0),
});

export const createClient = (settings: ServerSettings): MlflowClient => {
  const request = createRequest(settings);
  const call = async <T>(
    method: Call['method'],
    path: string,
    rest: Omit<Call, 'method' | 'path'>,
  ): Promise<T> => {
    const text = await request({ method, path: `/api/2.0/mlflow/${path}`, ...rest });
    return parseAnswer<T>(settings.address, path, text);
  };
  const get = <T>(path: string, query: Call['query'], signal?: AbortSignal): Promise<T> =>
    call<T>('GET', path, { query, signal });
  const post = <T>(path: string, json: unknown, signal?: AbortSignal, once = false): Promise<T> =>
    call<T>('POST', path, { json, signal, once });
  /** All pages of a list. */
  const pages = async <P extends { next_page_token?: string }, T>(
    page: (token: string | undefined) => Promise<P>,
    items: (answer: P) => T[] | undefined,
  ): Promise<T[]> => {
    const all: T[] = [];
    let token: string | undefined;
    do {
      const answer = await page(token);
      for (const item of items(answer) ?? []) all.push(item);
      token = answer.next_page_token || undefined;
    } while (token !== undefined);
    return all;
  };

  const searchPage = (
    experiment_ids: readonly string[],
    filter: string,
    page: { max_results: number; page_token?: string },
    signal?: AbortSignal,
  ) =>
    post<{ runs?: ServerRun[]; next_page_token?: string }>(
      'runs/search',
      { experiment_ids, filter, run_view_type: 'ALL', ...page },
      signal,
    );

  return {
    address: settings.address,
    retry: settings.retry,
    request,
    version: async (signal) => (await request({ method: 'GET', path: '/version', signal })).trim(),
    experimentByName: async (experiment_name, signal) =>
      (await get<{ experiment: ServerExperiment }>('experiments/get-by-name', { experiment_name }, signal))
        .experiment,
    createExperiment: async (name, signal) =>
      (await post<{ experiment_id: string }>('experiments/create', { name }, signal)).experiment_id,
    createRun: async (run, signal) => (await post<{ run: ServerRun }>('runs/create', run, signal, true)).run,
    updateRun: async (run, signal) => void (await post('runs/update', run, signal)),
    getRun: async (run_id, signal) => (await get<{ run: ServerRun }>('runs/get', { run_id }, signal)).run,
    searchRuns: (experiment_ids, filter, signal) =>
      pages(
        (page_token) => searchPage(experiment_ids, filter, { max_results: 1000, page_token }, signal),
        (answer) => answer.runs,
      ),
    hasRuns: async (experiment_ids, filter, signal) =>
      ((await searchPage(experiment_ids, filter, { max_results: 1 }, signal)).runs ?? []).length > 0,
    logBatch: async (run_id, { metrics, params, tags }, signal) => {
      const numbers = metrics.map((metric) => ({ ...metric, value: jsonNumber(metric.value) }));
      // a server with a file store keeps what it is sent twice: only who knows what it has may send points again
      await post('runs/log-batch', { run_id, metrics: numbers, params, tags }, signal, numbers.length > 0);
    },
    logInputs: async (run_id, datasets, signal) =>
      void (await post('runs/log-inputs', { run_id, datasets }, signal)),
    metricHistory: async (run_id, metric_key, signal) =>
      pages(
        (page_token) =>
          get<{ metrics?: ServerMetric[]; next_page_token?: string }>(
            'metrics/get-history',
            { run_id, metric_key, max_results: '25000', page_token },
            signal,
          ),
        (answer) => answer.metrics?.map(parseMetric),
      ),
    listArtifacts: async (run_id, path, signal) =>
      pages(
        (page_token) =>
          get<{ files?: ServerFile[]; next_page_token?: string }>(
            'artifacts/list',
            { run_id, path: path || undefined, page_token },
            signal,
          ),
        (answer) => answer.files,
      ),
  };
};
