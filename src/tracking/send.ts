import { setTimeout as sleep } from 'node:timers/promises';
import { Fault } from '../fault.js';
import { sendBatch } from './batches.js';
import {
  artifactService,
  createClient,
  type LoggedBatch,
  type MlflowClient,
  type ServerRun,
} from './client.js';
import { backoff, hasCode, isServerDown, MlflowError } from './http.js';
import { keepReceipts, type Receipts, readReceipts } from './receipts.js';
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
  /** By a run's own id. Lost, it is found out again. */
  sessions: Map<string, Promise<Session>>;
  /** By experiment: which runs need not be asked for. */
  receipts: Map<string, Promise<Receipts>>;
  /** There are receipts that are not written down. */
  hasNewReceipts: boolean;
  /** What has been sent. */
  sent: { points: number; files: number };
  /** Called when something has arrived, and when a file of so many bytes is on its way. */
  onMove: (bytes: number) => void;
  /** Hears, once each, what goes wrong or is done otherwise: lines for people, without credentials. */
  note: (text: string) => void;
  signal: AbortSignal;
  /** Ends whatever is being sent. */
  abort: (reason?: unknown) => void;
}

/**
 * The server at `uri`, with the credentials and settings of the `MLFLOW_*` variables.
 *
 * @throws Fault for an address that is none
 */
export const openDestination = (
  uri: string,
  onNote: (text: string) => void,
  { env = process.env, signal }: { env?: Environment; signal?: AbortSignal } = {},
): Destination => {
  const controller = new AbortController();
  const abort = (reason?: unknown): void => controller.abort(reason);
  signal?.addEventListener('abort', () => abort(signal.reason), { once: true });
  const heard = new Set<string>();
  const experimentName = env['MLFLOW_EXPERIMENT_NAME'] || undefined;
  return {
    client: createClient(serverSettings(uri, env), controller.signal),
    experimentName,
    experimentId: experimentName === undefined ? env['MLFLOW_EXPERIMENT_ID'] || undefined : undefined,
    experiments: new Map(),
    sessions: new Map(),
    receipts: new Map(),
    hasNewReceipts: false,
    sent: { points: 0, files: 0 },
    onMove: () => {},
    signal: controller.signal,
    abort,
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
  if (/^https?:/i.test(uri)) return openDestination(uri, onNote, { env });
  throw new Fault(
    `MLFLOW_TRACKING_URI: ${uri.replace(/\/\/[^/@]*@/, '//')}; runs are sent to a server (http://…): start one on it with mlflow server, or unset the variable and send runs later with bandalign track sync`,
  );
};

const pairs = (entries: readonly [string, string][]): { key: string; value: string }[] =>
  entries.map(([key, value]) => ({ key, value }));

/** A promise that is asked for once and kept, unless it fails. */
const remember = <T>(map: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> => {
  const known = map.get(key);
  if (known) return known;
  const asked = ask();
  map.set(key, asked);
  asked.catch(() => map.delete(key));
  return asked;
};

const findOrCreateExperiment = async ({ client }: Destination, name: string): Promise<string> => {
  const find = async (): Promise<string | undefined> => {
    const found = await client.experimentByName(name);
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
    const tags = pairs([
      // how MLflow's pages show it
      ['mlflow.experimentKind', 'custom_model_development'],
      ['mlflow.experiment.primaryMetric.name', 'test/rmse/mean'],
      ['mlflow.experiment.primaryMetric.greaterIsBetter', 'False'],
    ]);
    return await client.createExperiment(name, tags);
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
 * The server's run of this id. Of several active ones, made by processes that did not see each other's, that with the
 * smallest id of the server stays: all processes come to the same choice, and whatever the others held is sent to it from
 * the folder.
 */
const findSession = async (
  client: MlflowClient,
  experimentId: string,
  id: string,
): Promise<Session | null> => {
  const runs = await client.searchRuns(experimentId, `tags.\`${idTag}\` = '${id}'`);
  const active = runs.filter(({ info }) => info.lifecycle_stage === 'active');
  const [kept, ...others] = active.sort((a, b) => (a.info.run_id < b.info.run_id ? -1 : 1));
  for (const { info } of others) await client.deleteRun(info.run_id);
  const found = kept ?? runs.at(0);
  return found ? sessionOf(found) : null;
};

const wantedTags = async (source: Source, parent: Session | null): Promise<[string, string][]> => [
  [idTag, source.id],
  ...(parent ? [['mlflow.parentRunId', parent.runId] as [string, string]] : []),
  ...Object.entries(await source.tags()),
];

const experimentOf = (destination: Destination, source: Source): Promise<string> => {
  const { experimentId, experimentName: name = source.experiment, experiments } = destination;
  return experimentId === undefined
    ? remember(experiments, name, () => findOrCreateExperiment(destination, name))
    : Promise.resolve(experimentId);
};

/** What the server has of a run, which is made there where it has nothing. */
const ensureSession = (destination: Destination, source: Source): Promise<Session> =>
  remember(destination.sessions, source.id, async () => {
    const { client } = destination;
    const experiment_id = await experimentOf(destination, source);
    const known = await findSession(client, experiment_id, source.id);
    if (known) return known;
    const parent = source.parent && (await ensureSession(destination, source.parent));
    const tags = pairs(await wantedTags(source, parent));
    await client.createRun({ experiment_id, run_name: source.name, start_time: source.started, tags });
    // looked for even so: another process may have been at the same run
    const made = await findSession(client, experiment_id, source.id);
    if (!made) throw new Fault(`run: ${source.name}; ${client.address} does not find what it made`, 1);
    return made;
  });

/** Writes down which runs need not be asked for the next time. */
export const noteReceipts = async (destination: Destination): Promise<void> => {
  if (!destination.hasNewReceipts) return;
  destination.hasNewReceipts = false;
  for (const [experimentId, receipts] of destination.receipts)
    await keepReceipts(destination.client.address, experimentId, await receipts);
};

const sendValues = async (
  { client, note, sent, onMove }: Destination,
  source: Source,
  session: Session,
  { params = [], tags = [], metrics = [] }: LoggedBatch,
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
    (part) => {
      for (const { key } of part.params ?? []) session.params.add(key);
      for (const { key, value } of part.tags ?? []) session.tags.set(key, value);
      for (const { key, step } of part.metrics ?? []) session.latest.set(key, step);
      sent.points += part.metrics?.length ?? 0;
      onMove(0);
    },
    (text) => note(`${about}: ${text}`),
  );
};

/** Uploads files; false where the server does not take one. */
const sendFiles = async (
  { client, note, sent, onMove }: Destination,
  source: Source,
  artifactUri: string,
  files: Readonly<Record<string, Blob>>,
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
    onMove(blob.size);
    try {
      await client.putArtifact(service, name, blob);
      sent.files += 1;
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
): Promise<{ modelId?: string; isSent: boolean }> => {
  const { client } = destination;
  const { model } = source;
  if (!model) return { isSent: true };
  try {
    // characters that MLflow does not take in a model's name
    const name = source.name.replace(/[/:.%"']/g, '-');
    const models = await client.modelsOf(session.experimentId, session.runId);
    const found = models.find(({ info }) => info.name === name);
    const tags = await source.tags();
    const described = ['dataset', 'synthetic', 'bandalign.version'].filter((key) => tags[key]);
    const { info } =
      found ??
      (await client.createModel({
        experiment_id: session.experimentId,
        name,
        model_type: model.type,
        source_run_id: session.runId,
        params: source.params.filter(({ key, value }) => key.startsWith('model.') && value.length <= 500),
        tags: pairs(described.map((key) => [key, tags[key]])),
      }));
    if (found && session.hasModel) return { modelId: info.model_id, isSent: true };
    const files = { 'best.safetensors': await model.weights() };
    const isSent = await sendFiles(destination, source, info.artifact_uri, files);
    if (isSent) await client.finishModel(info.model_id, session.runId, model.step);
    session.hasModel = isSent;
    return { modelId: info.model_id, isSent };
  } catch (error) {
    // servers before 3.0
    if (!(error instanceof MlflowError && [404, 405, 501].includes(error.httpStatus))) throw error;
    const files = { 'checkpoints/best.safetensors': await model.weights() };
    return { isSent: await sendFiles(destination, source, session.artifactUri, files) };
  }
};

/**
 * What became of a run: all of an ended one is on the server, now (`complete`) or since earlier (`unchanged`); `open` when
 * it goes on or a part is refused; one that was deleted on the server stays so.
 */
export type SendOutcome = 'complete' | 'unchanged' | 'open' | 'deleted';

const send = async (destination: Destination, source: Source): Promise<SendOutcome> => {
  const { client } = destination;
  const isRunning = source.status === 'RUNNING';
  const experimentId = await experimentOf(destination, source);
  const receipts = await remember(destination.receipts, experimentId, () =>
    readReceipts(client, experimentId),
  );
  if (!isRunning && receipts.get(source.id)?.mark === source.mark) return 'unchanged';
  const session = await ensureSession(destination, source);
  const { runId: run_id, artifactUri } = session;
  if (session.isDeleted) return 'deleted';
  const isWhole = (): void => {
    if (source.status !== 'FINISHED') return;
    receipts.set(source.id, { runId: run_id, mark: source.mark });
    destination.hasNewReceipts = true;
  };
  if (!isRunning && session.status === source.status && session.tags.get(markTag) === source.mark) {
    isWhole();
    return 'unchanged';
  }
  if (isRunning && session.status !== 'RUNNING') {
    await client.updateRun({ run_id, status: 'RUNNING' });
    session.status = 'RUNNING';
  }
  const parent = source.parent && (await ensureSession(destination, source.parent));
  const values = {
    params: source.params,
    tags: pairs(await wantedTags(source, parent)),
    metrics: await source.points(),
  };
  await sendValues(destination, source, session, values);
  if (!session.hasInputs && source.inputs.length > 0) {
    const log = (): Promise<void> => client.logInputs(run_id, source.inputs);
    // runs that are sent at once name one new dataset: a database takes it from the first, and from all when it is there
    await log().catch((error) => (isServerDown(error) ? Promise.reject(error) : log()));
  }
  session.hasInputs = true;
  if (isRunning) return 'open';
  const { modelId: model_id, isSent } = await sendModel(destination, source, session);
  const scores = source.scores.map((point) => ({ ...point, model_id }));
  await sendValues(destination, source, session, { metrics: scores });
  const areFiles = await sendFiles(destination, source, artifactUri, await source.files());
  const end = source.ended === null ? {} : { end_time: source.ended };
  await client.updateRun({ run_id, status: source.status, ...end });
  session.status = source.status;
  if (!isSent || !areFiles) return 'open';
  const mark = { tags: [{ key: markTag, value: source.mark }] };
  await sendValues(destination, source, session, mark);
  isWhole();
  return 'complete';
};

/**
 * Sends what the server lacks of a run. What arrived is found out from the server, not from memory, so this may be
 * ended anywhere and done again by anybody who has the folder.
 *
 * @param retries of what may pass, counted from the last that arrived; default `MLFLOW_HTTP_REQUEST_MAX_RETRIES`, else 7
 * @throws MlflowError when the server fails; Fault for a deleted experiment
 */
export const sendRun = async (
  destination: Destination,
  source: Source,
  retries = destination.client.retry.times,
): Promise<SendOutcome> => {
  const { sent, signal, client } = destination;
  for (let n = 1; ; n++) {
    const before = sent.points + sent.files;
    try {
      return await send(destination, source);
    } catch (error) {
      // what the server did of the last call is not known: look again
      destination.sessions.clear();
      signal.throwIfAborted();
      if (sent.points + sent.files > before) n = 1;
      if (!(error instanceof MlflowError) || !error.retryable || n > retries) throw error;
      await sleep(error.retryAfter ?? backoff(client.retry, n), undefined, { signal }).catch(() => {});
      signal.throwIfAborted();
    }
  }
};
