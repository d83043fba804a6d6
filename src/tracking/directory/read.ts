import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Fault } from '../../fault.js';
import type { RunStatus } from '../tracker.js';
import { findRun, listExperiments, reserved, subfolders } from './experiments.js';
import { readMeta, readRunMeta, statusName } from './meta.js';
import { filesUnder } from './metrics.js';

/** A run in a directory store, without its points. Times are ms since 1970. */
export interface RunSummary {
  runId: string;
  experiment: string;
  experimentId: string;
  name: string;
  status: RunStatus;
  startTime: number | null;
  endTime: number | null;
  parent?: string;
  deleted: boolean;
  /** Folder of the run; its artifacts are in `artifacts/`. */
  folder: string;
}

/** A point of a metric. */
export interface MetricPoint {
  step: number;
  value: number;
  /** ms since 1970. */
  timestamp: number;
}

/** A dataset input as it is stored; `schema` and `profile` are JSON texts. */
export interface StoredInput {
  name: string;
  digest: string;
  source: string;
  sourceType: string;
  schema: string;
  profile: string;
  context: string;
}

/** All of a run. */
export interface StoredRun extends RunSummary {
  params: Record<string, string>;
  tags: Record<string, string>;
  /** Points by metric, in the order they were recorded. */
  metrics: Record<string, MetricPoint[]>;
  inputs: StoredInput[];
  /** Paths of the artifacts, from `artifacts/`. */
  artifacts: string[];
}

const numbers: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
};

/** Points in a metric file's text; a torn last line and lines that are none are left out. */
export const parsePoints = (text: string): MetricPoint[] => {
  const points: MetricPoint[] = [];
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    const [time, number, step = '0'] = line.split(' ');
    if (number === undefined) continue;
    const point = {
      step: Number(step),
      value: numbers[number.toLowerCase()] ?? Number(number),
      timestamp: Number(time),
    };
    if (Number.isInteger(point.step) && Number.isInteger(point.timestamp)) points.push(point);
  }
  return points;
};

const texts = async (folder: string): Promise<Record<string, string>> => {
  const values: Record<string, string> = {};
  for (const name of await filesUnder(folder)) values[name] = await readFile(join(folder, name), 'utf8');
  return values;
};

/** Dataset inputs of the run in folder `run`. */
export const readInputs = async (run: string): Promise<StoredInput[]> => {
  const inputs: StoredInput[] = [];
  for (const id of await subfolders(join(run, 'inputs'))) {
    const input = await readMeta(join(run, 'inputs', id, 'meta.yaml'));
    const dataset =
      input?.['source_type'] === 'DATASET' &&
      (await readMeta(join(run, '..', 'datasets', input['source_id'], 'meta.yaml')));
    if (!input || !dataset) continue;
    const tags: unknown = input['tags'];
    const context = (tags as Record<string, string> | null)?.['mlflow.data.context'] ?? '';
    inputs.push({
      name: dataset['name'] ?? '',
      digest: dataset['digest'] ?? '',
      source: dataset['source'] ?? '',
      sourceType: dataset['source_type'] ?? 'local',
      schema: dataset['schema'] ?? '',
      profile: dataset['profile'] ?? '',
      context,
    });
  }
  return inputs;
};

const summary = async (run: string, experiment: string): Promise<RunSummary | undefined> => {
  const meta = await readRunMeta(join(run, 'meta.yaml'));
  if (!meta) return undefined;
  const parent = await readFile(join(run, 'tags/mlflow.parentRunId'), 'utf8').catch(() => undefined);
  return {
    runId: meta.run_id,
    experiment,
    experimentId: meta.experiment_id,
    name: meta.run_name,
    status: statusName(meta.status),
    startTime: meta.start_time,
    endTime: meta.end_time,
    ...(parent === undefined ? {} : { parent }),
    deleted: meta.lifecycle_stage === 'deleted',
    folder: run,
  };
};

/** Runs of a directory store that are not deleted, oldest first; of one experiment if a name is given. */
export const listRuns = async (store: string, experiment?: string): Promise<RunSummary[]> => {
  const runs: RunSummary[] = [];
  for (const { experiment_id: id, name, lifecycle_stage: stage } of await listExperiments(store)) {
    if (stage === 'deleted' || (experiment !== undefined && name !== experiment)) continue;
    for (const folder of await subfolders(join(store, id))) {
      if (reserved.has(folder)) continue;
      const run = await summary(join(store, id, folder), name);
      if (run && !run.deleted) runs.push(run);
    }
  }
  return runs.sort((a, b) => (a.startTime ?? 0) - (b.startTime ?? 0) || (a.runId < b.runId ? -1 : 1));
};

/** All of the run in `folder`. */
export const readRunFolder = async (run: RunSummary): Promise<StoredRun> => {
  const metrics: Record<string, MetricPoint[]> = {};
  for (const name of await filesUnder(join(run.folder, 'metrics')))
    metrics[name] = parsePoints(await readFile(join(run.folder, 'metrics', name), 'utf8'));
  return {
    ...run,
    params: await texts(join(run.folder, 'params')),
    tags: await texts(join(run.folder, 'tags')),
    metrics,
    inputs: await readInputs(run.folder),
    artifacts: await filesUnder(join(run.folder, 'artifacts')),
  };
};

/** All of a run of a directory store. Throws a `Fault` if there is none with that id. */
export const readRun = async (store: string, runId: string): Promise<StoredRun> => {
  const folder = await findRun(store, runId);
  const experiments = await listExperiments(store);
  const id = folder && basename(join(folder, '..'));
  const name = experiments.find((experiment) => experiment.experiment_id === id)?.name;
  const run = folder && (await summary(folder, name ?? ''));
  if (!run) throw new Fault(`run: ${runId}; there is none in ${store}`);
  return readRunFolder(run);
};
