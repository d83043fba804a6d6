import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../fault.js';
import { type Batch, sendBatch } from './batches.js';
import { artifactService, createClient, type MlflowClient, type ServerRun } from './client.js';
import { backoff, hasCode, isServerDown, MlflowError } from './http.js';
import { type Environment, serverSettings } from './settings.js';
import type { Source } from './source.js';

/** Ties a server's run to the run of a folder. */
const idTag = 'bandalign.localRunId';
/** Set last: the server has all of the ended run that this is the mark of. */
const markTag = 'bandalign.synced';

/** What a server has of one run. */
interface Session {
  runId: string;
  experimentId: string;
  artifactUri: string;
  status: string;
  params: Set<string>;
  tags: Map<string, string>;
  /** Step of the last point of each metric: points are sent in order, so all before it are there too. */
  latest: Map<string, number>;
  hasInputs: boolean;
  hasModel: boolean;
  /** Somebody deleted it on the server. */
  isDeleted: boolean;
}

/** A server that runs are sent to, and what is known of it. */
export interface Destination {
  client: MlflowClient;
  /** Experiment that all runs go to, by name or id, if the environment says so. */
  experimentName?: string;
  experimentId?: string;
  /** Ids of experiments by name. */
  experiments: Map<string, Promise<string>>;
  /** By experiment, then by a run's own id: what is not in it was not on the server. Lost, it is found out again. */
  sessions: Map<string, Promise<Map<string, Session>>>;
  /** Hears, once each, what goes wrong or is done otherwise: lines for people, without credentials. */
  note: (text: string) => void;
}

/**
 * The server at `uri`, with the credentials and settings of the `MLFLOW_*` variables.
 * @throws Fault for an address that is none
 */
export const openDestination = (
  uri: string,
  onNote: (text: string) => void,
  env: Environment = process.env,
): Destination => {
  const heard = new Set<string>();
  const experimentName = env['MLFLOW_EXPERIMENT_NAME'] || undefined;
  return {
    client: createClient(serverSettings(uri, env)),
    experimentName,
    experimentId: experimentName === undefined ? env['MLFLOW_EXPERIMENT_ID'] || undefined : undefined,
    experiments: new Map(),
    sessions: new Map(),
    note: (text) => {
      if (!heard.has(text)) onNote(text);
      heard.add(text);
    },
  };
};

/**
 * The server that `MLFLOW_TRACKING_URI` names; null where it is not set.
 * @throws Fault for an address that is none
 */
export const trackingDestination = (
  onNote: (text: string) => void,
  env: Environment = process.env,
): Destination | null => {
  const uri = env['MLFLOW_TRACKING_URI']?.trim();
  if (!uri) return null;
  if (/^https?:/i.test(uri)) return openDestination(uri, onNote, env);
  throw new Fault(
    `MLFLOW_TRACKING_URI: ${uri.replace(/\/\/[^/@]*@/, '//')}; runs are sent to a server (http://…): start one on it with mlflow server, or unset the variable and send runs later with bandalign track sync`,
  );
};

/** How a run is sent. */
export interface SendOptions {
  signal?: AbortSignal;
  /** Something has arrived. */
  onSent?: (sent: { points: number; files: number }) => void;
  /** A file of so many bytes is on its way. */
  onSending?: (bytes: number) => void;
  /** Repetitions of what may pass; default `MLFLOW_HTTP_REQUEST_MAX_RETRIES`, else 7. */
  retries?: number;
}

/** A promise that is asked for once and kept, unless it fails. */
const remember = <T>(map: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> => {
  const known = map.get(key);
  if (known) return known;
  const asked = ask();
  map.set(key, asked);
  asked.catch(() => map.delete(key));
  return asked;
};

const findOrCreateExperiment = async (
  { client }: Destination,
  name: string,
  signal?: AbortSignal,
): Promise<string> => {
  const find = async (): Promise<string | undefined> => {
    const found = await client.experimentByName(name, signal);
    if (found?.lifecycle_stage === 'deleted')
      throw new Fault(
        `experiment: ${name}; it was deleted on ${client.address}: restore it there (mlflow experiments restore -x ${found.experiment_id}), or set MLFLOW_EXPERIMENT_NAME to another name`,
        1,
      );
    return found?.experiment_id;
  };
  const id = await find();
  if (id !== undefined) return id;
  try {
    const tags = [
      { key: 'mlflow.experiment.primaryMetric.name', value: 'test/rmse/mean' },
      { key: 'mlflow.experiment.primaryMetric.greaterIsBetter', value: 'False' },
    ];
    return await client.createExperiment(name, tags, signal);
  } catch (error) {
    // somebody was faster, or an earlier try went through although its answer was lost
    const raced = hasCode(error, 'RESOURCE_ALREADY_EXISTS') ? await find() : undefined;
    if (raced === undefined) throw error;
    return raced;
  }
};

const sessionOf = ({ info, data, inputs, outputs }: ServerRun): Session => ({
  runId: info.run_id,
  experimentId: info.experiment_id,
  artifactUri: info.artifact_uri,
  status: info.status,
  params: new Set(data.params?.map(({ key }) => key)),
  tags: new Map(data.tags?.map(({ key, value }) => [key, value])),
  latest: new Map(data.metrics?.map(({ key, step }) => [key, Number(step ?? 0)])),
  hasInputs: (inputs?.dataset_inputs?.length ?? 0) > 0,
  hasModel: (outputs?.model_outputs?.length ?? 0) > 0,
  isDeleted: info.lifecycle_stage === 'deleted',
});

/**
 * The server's runs that one search finds, by our id. Of several active ones with one id, made by processes that did not
 * see each other's, that with the smallest id stays: all processes come to the same choice, and whatever the others
 * held is sent to it from the folder.
 */
const findSessions = async (
  { client }: Destination,
  experimentId: string,
  filter: string,
  signal?: AbortSignal,
): Promise<Map<string, Session>> => {
  const found = new Map<string, ServerRun[]>();
  for (const run of await client.searchRuns(experimentId, filter, signal)) {
    const id = run.data.tags?.find(({ key }) => key === idTag)?.value ?? '';
    found.set(id, [...(found.get(id) ?? []), run]);
  }
  const sessions = new Map<string, Session>();
  for (const [id, runs] of found) {
    const active = runs.filter(({ info }) => info.lifecycle_stage === 'active');
    const [kept, ...others] = active.sort((a, b) => (a.info.run_id < b.info.run_id ? -1 : 1));
    for (const { info } of others) await client.deleteRun(info.run_id, signal);
    sessions.set(id, sessionOf(kept ?? runs[0]));
  }
  return sessions;
};

const wantedTags = (source: Source, parent: Session | null): [string, string][] => [
  [idTag, source.id],
  ...(parent ? [['mlflow.parentRunId', parent.runId] as [string, string]] : []),
  ...Object.entries(source.tags),
];

const pairs = (entries: readonly [string, string][]): { key: string; value: string }[] =>
  entries.map(([key, value]) => ({ key, value }));

/** What the server has of a run, which is made there where it has nothing. */
const ensureSession = async (
  destination: Destination,
  source: Source,
  signal?: AbortSignal,
): Promise<Session> => {
  const name = destination.experimentName ?? source.experiment;
  const experimentId =
    destination.experimentId ??
    (await remember(destination.experiments, name, () => findOrCreateExperiment(destination, name, signal)));
  const sessions = await remember(destination.sessions, experimentId, () =>
    findSessions(destination, experimentId, `tags.\`${idTag}\` LIKE '%'`, signal),
  );
  const known = sessions.get(source.id);
  if (known) return known;
  const parent = source.parent && (await ensureSession(destination, source.parent, signal));
  await destination.client.createRun(
    {
      experiment_id: experimentId,
      run_name: source.name,
      start_time: source.started,
      tags: pairs(wantedTags(source, parent)),
    },
    signal,
  );
  // looked for even so: another process may have been at the same run
  const filter = `tags.\`${idTag}\` = '${source.id}'`;
  const made = (await findSessions(destination, experimentId, filter, signal)).get(source.id);
  if (!made)
    throw new Fault(`run: ${source.name}; ${destination.client.address} does not find what it made`, 1);
  sessions.set(source.id, made);
  return made;
};

const sendValues = async (
  { client, note }: Destination,
  source: Source,
  session: Session,
  { params = [], tags = [], metrics = [] }: Batch,
  { signal, onSent }: SendOptions,
): Promise<void> => {
  const about = `run ${source.name}`;
  const lacking = {
    params: params.filter(({ key }) => !session.params.has(key)),
    tags: tags.filter(({ key, value }) => session.tags.get(key) !== value),
    metrics: metrics.filter(({ key, step }) => step > (session.latest.get(key) ?? Number.NEGATIVE_INFINITY)),
  };
  for (const { key, value } of lacking.params)
    if (value.length > 6000)
      note(`${about}: parameter ${key} has ${value.length} characters; MLflow keeps the first 6000`);
  await sendBatch(
    client,
    session.runId,
    lacking,
    (sent) => {
      for (const { key } of sent.params ?? []) session.params.add(key);
      for (const { key, value } of sent.tags ?? []) session.tags.set(key, value);
      for (const { key, step } of sent.metrics ?? []) session.latest.set(key, step);
      onSent?.({ points: sent.metrics?.length ?? 0, files: 0 });
    },
    (text) => note(`${about}: ${text}`),
    signal,
  );
};

/** Uploads files; false where the server does not take one. */
const sendFiles = async (
  { client, note }: Destination,
  source: Source,
  artifactUri: string,
  files: Readonly<Record<string, Blob>>,
  { signal, onSent, onSending }: SendOptions,
): Promise<boolean> => {
  const service = artifactService(client.address, artifactUri);
  if (service === undefined) {
    note(
      `artifacts are not sent to ${client.address}: it keeps those of experiment ${source.experiment} in ${artifactUri}, which only the server should reach; start it with --serve-artifacts and --artifacts-destination, and use a new experiment`,
    );
    return false;
  }
  let isWhole = true;
  for (const [name, blob] of Object.entries(files)) {
    onSending?.(blob.size);
    try {
      await client.putArtifact(service, name, blob, signal);
      onSent?.({ points: 0, files: 1 });
    } catch (error) {
      // a server may take values and no files: that is no reason to stop
      const isRefused = error instanceof MlflowError && [400, 403, 404, 413, 503].includes(error.httpStatus);
      if (!isRefused) throw error;
      note(`run ${source.name}: ${name} is not sent: ${error.message}`);
      isWhole = false;
    }
  }
  return isWhole;
};

/** Sends the weights as a logged model; a server that knows no models gets them as a file of the run. */
const sendModel = async (
  destination: Destination,
  source: Source,
  session: Session,
  options: SendOptions,
): Promise<{ modelId?: string; isWhole: boolean }> => {
  const { client } = destination;
  const { model } = source;
  if (!model) return { isWhole: true };
  try {
    // characters that MLflow does not take in a model's name
    const name = source.name.replace(/[/:.%"']/g, '-');
    const models = await client.modelsOf(session.experimentId, session.runId, options.signal);
    const found = models.find(({ info }) => info.name === name);
    const described = ['dataset', 'synthetic', 'bandalign.version'].filter((key) => source.tags[key]);
    const { info } =
      found ??
      (await client.createModel(
        {
          experiment_id: session.experimentId,
          name,
          model_type: model.type,
          source_run_id: session.runId,
          params: source.params.filter(({ key, value }) => key.startsWith('model.') && value.length <= 500),
          tags: pairs(described.map((key) => [key, source.tags[key]])),
        },
        options.signal,
      ));
    if (found && session.hasModel) return { modelId: info.model_id, isWhole: true };
    const files = { 'best.safetensors': await model.weights() };
    const isWhole = await sendFiles(destination, source, info.artifact_uri, files, options);
    if (isWhole) await client.finishModel(info.model_id, session.runId, model.step, options.signal);
    session.hasModel = isWhole;
    return { modelId: info.model_id, isWhole };
  } catch (error) {
    // servers before 3.0
    if (!(error instanceof MlflowError && [404, 405, 501].includes(error.httpStatus))) throw error;
    const files = { 'checkpoints/best.safetensors': await model.weights() };
    return { isWhole: await sendFiles(destination, source, session.artifactUri, files, options) };
  }
};

const sendInputs = async (
  { client, note }: Destination,
  source: Source,
  session: Session,
  signal?: AbortSignal,
): Promise<void> => {
  if (session.hasInputs || source.inputs.length === 0) return;
  try {
    await client.logInputs(session.runId, source.inputs, signal);
  } catch (error) {
    // servers before 2.4 know no inputs
    if (!(error instanceof MlflowError) || isServerDown(error)) throw error;
    note(`run ${source.name}: the server takes no datasets: ${error.message}`);
  }
  session.hasInputs = true;
};

/** What became of a run: `open` when it goes on or a part is refused; one that was deleted on the server stays so. */
export type SendOutcome = 'complete' | 'open' | 'deleted';

const send = async (destination: Destination, source: Source, options: SendOptions): Promise<SendOutcome> => {
  const { signal } = options;
  const session = await ensureSession(destination, source, signal);
  const { runId: run_id, artifactUri } = session;
  if (session.isDeleted) return 'deleted';
  const isRunning = source.status === 'RUNNING';
  if (!isRunning && session.status === source.status && session.tags.get(markTag) === source.mark)
    return 'complete';
  const { client } = destination;
  if (isRunning && session.status !== 'RUNNING') {
    await client.updateRun({ run_id, status: 'RUNNING' }, signal);
    session.status = 'RUNNING';
  }
  const parent = source.parent && (await ensureSession(destination, source.parent, signal));
  const values = {
    params: source.params,
    tags: pairs(wantedTags(source, parent)),
    metrics: await source.points(),
  };
  await sendValues(destination, source, session, values, options);
  await sendInputs(destination, source, session, signal);
  if (isRunning) return 'open';
  const { modelId: model_id, isWhole } = await sendModel(destination, source, session, options);
  const scores = source.scores.map((point) => ({ ...point, model_id }));
  await sendValues(destination, source, session, { metrics: scores }, options);
  const areFiles = await sendFiles(destination, source, artifactUri, await source.files(), options);
  const end = source.ended === null ? {} : { end_time: source.ended };
  await client.updateRun({ run_id, status: source.status, ...end }, signal);
  session.status = source.status;
  if (!isWhole || !areFiles) return 'open';
  const mark = { tags: [{ key: markTag, value: source.mark }] };
  await sendValues(destination, source, session, mark, options);
  return 'complete';
};

/**
 * Sends what the server lacks of a run. What arrived is found out from the server, not from memory, so this may be
 * ended anywhere and done again by anybody who has the folder.
 *
 * @throws MlflowError when the server fails; Fault for a deleted experiment
 */
export const sendRun = async (
  destination: Destination,
  source: Source,
  options: SendOptions = {},
): Promise<SendOutcome> => {
  const { retry } = destination.client;
  let isMoving = false;
  const onSent: SendOptions['onSent'] = (sent) => {
    isMoving = true;
    options.onSent?.(sent);
  };
  for (let n = 1; ; n++) {
    try {
      return await send(destination, source, { ...options, onSent });
    } catch (error) {
      // what the server did of the last call is not known: look again
      destination.sessions.clear();
      options.signal?.throwIfAborted();
      if (isMoving) n = 1;
      isMoving = false;
      const isLast = !(error instanceof MlflowError) || !error.retryable;
      if (isLast || n > (options.retries ?? retry.times)) throw error;
      const pause = error.retryAfter ?? backoff(retry, n);
      await sleep(pause, undefined, { signal: options.signal }).catch(() => {});
      options.signal?.throwIfAborted();
    }
  }
};
