import { rm } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { reason } from '../../fault.js';
import { type RunMeta, readExperimentMeta, readRunMeta, statusName } from '../directory/meta.js';
import { readInputs } from '../directory/read.js';
import { artifactPlace, putArtifact } from '../mlflow/artifacts.js';
import type { ServerMetric, ServerPair } from '../mlflow/client.js';
import { MlflowError } from '../mlflow/error.js';
import { changedFiles, newPoints, readPairs } from './changes.js';
import { type Cursor, newCursor, readCursor, saveCursor } from './cursor.js';
import { type Destination, findServerRun, localIdTag, serverExperiment, serverRun } from './destination.js';
import { sendBatches } from './send-batches.js';

/** What this process knows of one run on the server; kept between passes. */
export interface Session {
  cursor?: Cursor;
  /** The run was made on the server in this session: nothing was there before. */
  fresh: boolean;
  /** The server's run was seen in this session. */
  seen: boolean;
  /** Metrics of which a call failed without certainty. */
  doubtful: Set<string>;
  /** Artifacts that are copied into the server's folder are seen by it. */
  seesFolder?: boolean;
  /** Points that the server has of a metric and that were not met in our files yet, by step, time and value. */
  present: Map<string, Map<string, number>>;
}

export const newSession = (): Session => ({
  fresh: false,
  seen: false,
  doubtful: new Set(),
  present: new Map(),
});

/** How a pass is made. */
export interface PassOptions {
  signal?: AbortSignal;
  /** Something arrived at the server. */
  onSent?: (sent: { points: number; files: number }) => void;
  /** A file of so many bytes is on its way. */
  onSending?: (bytes: number) => void;
  /** The server's id of another run of the store; undefined while it has none. */
  parentOnServer: (localId: string) => Promise<string | undefined>;
}

const parentTag = 'mlflow.parentRunId';
const pointName = ({ step, timestamp, value }: ServerMetric): string => `${step} ${timestamp} ${value}`;

/** Tags that fit into the call that makes a run. */
const tagsAtStart = (tags: readonly ServerPair[]): ServerPair[] =>
  tags.filter(({ value }) => value.length <= 5000).slice(0, 100);

/**
 * Sends what the server lacks of the run in folder `run`. Returns `done` when the run has ended and all of it is there,
 * `open` when it goes on, `waits` when only its parent is not there yet.
 * Throws {@link MlflowError} when the server fails; what was sent until then is remembered.
 */
export const shipRun = async (
  destination: Destination,
  run: string,
  session: Session,
  options: PassOptions,
): Promise<'done' | 'open' | 'waits'> => {
  const { client, key, onWarning } = destination;
  const { signal } = options;
  // read first: it is written last, so a run that has ended is complete
  const meta = await readRunMeta(join(run, 'meta.yaml'));
  if (!meta || meta.lifecycle_stage === 'deleted') return 'done';
  session.cursor ??= (await readCursor(run, key)) ?? newCursor();
  const cursor = session.cursor;
  const about = `run ${meta.run_name} (${meta.run_id})`;
  const save = (): Promise<void> => saveCursor(run, key, cursor);

  const changedTags = async (): Promise<{
    pairs: ServerPair[];
    marks: Map<string, string>;
    waits: boolean;
  }> => {
    const files = await changedFiles(run, 'tags', cursor);
    const marks = new Map(files.map(({ name, mark }) => [name, mark]));
    let waits = false;
    const pairs: ServerPair[] = [];
    for (const pair of await readPairs(files)) {
      const value = pair.key === parentTag ? await options.parentOnServer(pair.value) : pair.value;
      if (value === undefined) waits = true;
      else pairs.push({ key: pair.key, value });
    }
    return { pairs, marks, waits };
  };

  const ensureRun = async (): Promise<'there' | 'deleted'> => {
    if (session.seen && cursor.runId !== undefined) return 'there';
    const there = cursor.runId === undefined ? undefined : await serverRun(destination, cursor.runId, signal);
    if (cursor.runId !== undefined && !there) {
      // the server was set up anew
      session.cursor = Object.assign(cursor, newCursor(), {
        runId: undefined,
        artifactUri: undefined,
        state: undefined,
      });
      session.fresh = false;
    }
    const found = there ?? (await findOrMake());
    cursor.runId = found.info.run_id;
    cursor.experimentId = found.info.experiment_id;
    cursor.artifactUri = found.info.artifact_uri;
    session.seen = true;
    await save();
    return found.info.lifecycle_stage === 'deleted' ? 'deleted' : 'there';
  };

  const findOrMake = async () => {
    const experiment = await readExperimentMeta(join(dirname(run), 'meta.yaml'));
    const experimentId = await serverExperiment(destination, experiment?.name ?? 'Default', signal);
    const found = await findServerRun(destination, experimentId, meta.run_id, signal);
    if (found) return found;
    const { pairs, marks } = await changedTags();
    const tags = tagsAtStart(pairs);
    if (!tags.some((tag) => tag.key === localIdTag)) tags.push({ key: localIdTag, value: meta.run_id });
    const made = await client.createRun(
      {
        experiment_id: experimentId,
        run_name: meta.run_name,
        start_time: meta.start_time ?? Date.now(),
        tags,
      },
      signal,
    );
    for (const { key: name } of tags) cursor.files[`tags/${name}`] = marks.get(name) ?? '';
    cursor.state = `RUNNING null ${meta.run_name}`;
    session.fresh = true;
    return made;
  };

  /** What the server has of a metric; it is asked only when it may have any. */
  const presentPoints = async (name: string): Promise<Map<string, number>> => {
    const known = session.present.get(name);
    if (known) return known;
    const present = new Map<string, number>();
    if (session.fresh && !session.doubtful.has(name)) return present;
    for (const point of await client.metricHistory(cursor.runId!, name, signal))
      present.set(pointName(point), (present.get(pointName(point)) ?? 0) + 1);
    session.present.set(name, present);
    session.doubtful.delete(name);
    return present;
  };

  const lacking = async (name: string, points: readonly ServerMetric[]): Promise<ServerMetric[]> => {
    const present = await presentPoints(name);
    return points.filter((point) => {
      const left = present.get(pointName(point)) ?? 0;
      if (left > 0) present.set(pointName(point), left - 1);
      return left === 0;
    });
  };

  const sendValues = async (): Promise<{ more: boolean; waits: boolean }> => {
    const tags = await changedTags();
    const params = await changedFiles(run, 'params', cursor);
    const portions = await newPoints(run, cursor, (name) => void session.doubtful.add(name));
    const metrics: ServerMetric[] = [];
    const ends = new Map<ServerMetric, number>();
    for (const { name, points, ends: lineEnds } of portions) {
      points.forEach((point, at) => void ends.set(point, lineEnds[at]));
      for (const point of await lacking(name, points)) metrics.push(point);
    }
    await sendBatches(
      client,
      cursor.runId!,
      { params: await readPairs(params), tags: tags.pairs, metrics },
      {
        onSent: async (part) => {
          for (const param of part.params)
            cursor.files[`params/${param.key}`] = params.find(({ name }) => name === param.key)?.mark ?? '';
          for (const tag of part.tags) cursor.files[`tags/${tag.key}`] = tags.marks.get(tag.key) ?? '';
          for (const point of part.metrics) cursor.metrics[point.key] = ends.get(point)!;
          await save();
          options.onSent?.({ points: part.metrics.length, files: 0 });
        },
        onRefused: (item, error) =>
          onWarning(`tracking: ${about}: the server does not take ${item.key}: ${error.message}`),
        onDoubt: (part) => {
          for (const point of part.metrics) {
            session.doubtful.add(point.key);
            session.present.delete(point.key);
          }
        },
      },
      signal,
    );
    for (const { name, end } of portions) cursor.metrics[name] = end;
    return { more: portions.length > 0, waits: tags.waits };
  };

  const sendInputs = async (): Promise<void> => {
    const files = await changedFiles(run, 'inputs', cursor);
    if (files.length === 0) return;
    const inputs = (await readInputs(run)).map(({ context, sourceType, ...dataset }) => ({
      dataset: { ...dataset, source_type: sourceType },
      tags: context === '' ? [] : [{ key: 'mlflow.data.context', value: context }],
    }));
    try {
      if (inputs.length > 0) await client.logInputs(cursor.runId!, inputs, signal);
    } catch (error) {
      // servers before 2.4 know no inputs
      if (!(error instanceof MlflowError) || error.retryable || error.httpStatus === 0) throw error;
      onWarning(`tracking: ${about}: the server does not take the dataset inputs: ${error.message}`);
    }
    for (const { name, mark } of files) cursor.files[`inputs/${name}`] = mark;
    await save();
  };

  /** A loopback address may lead into a container or through a tunnel: then what was copied here is not seen there. */
  const seeArtifact = async (folder: string, name: string): Promise<void> => {
    if (session.seesFolder) return;
    const listed = await client.listArtifacts(
      cursor.runId!,
      posix.dirname(name) === '.' ? '' : posix.dirname(name),
      signal,
    );
    session.seesFolder = listed.some((file) => file.path === name);
    if (session.seesFolder) return;
    await rm(join(folder, name), { force: true });
    throw new Error(
      `it keeps artifacts in ${folder} of its own disk, which is not this machine's; start it with --serve-artifacts`,
    );
  };

  const sendArtifacts = async (): Promise<void> => {
    const files = await changedFiles(run, 'artifacts', cursor);
    if (files.length === 0) return;
    const place = artifactPlace(client.address, cursor.artifactUri ?? '');
    if (place.kind === 'refused') {
      onWarning(
        `tracking: artifacts are not sent to ${client.address} and stay in the local store: ${place.why}`,
      );
      return;
    }
    for (const { name, path, mark, bytes } of files) {
      try {
        options.onSending?.(bytes);
        await putArtifact(client, place, name, path, signal);
        if (place.kind === 'folder') await seeArtifact(place.folder, name);
      } catch (error) {
        const refused =
          !(error instanceof MlflowError) ||
          (!error.retryable && [400, 403, 404, 413].includes(error.httpStatus));
        signal?.throwIfAborted();
        if (!refused) throw error;
        onWarning(`tracking: ${about}: the server does not take artifact ${name}: ${reason(error)}`);
        if (place.kind === 'folder') return;
        continue;
      }
      cursor.files[`artifacts/${name}`] = mark;
      await save();
      options.onSent?.({ points: 0, files: 1 });
    }
  };

  const sendState = async (current: RunMeta): Promise<void> => {
    const status = statusName(current.status);
    const state = `${status} ${current.end_time} ${current.run_name}`;
    if (cursor.state === state) return;
    await client.updateRun(
      {
        run_id: cursor.runId!,
        status,
        run_name: current.run_name || undefined,
        ...(current.end_time === null ? {} : { end_time: current.end_time }),
      },
      signal,
    );
    cursor.state = state;
    await save();
  };

  if ((await ensureRun()) === 'deleted') {
    onWarning(`tracking: ${about} was deleted on ${client.address}; it is not sent any more`);
    cursor.done = true;
    await save();
    return 'done';
  }
  let waits = false;
  for (let more = true; more; ) ({ more, waits } = await sendValues());
  await sendInputs();
  await sendArtifacts();
  await sendState(meta);
  const ended = statusName(meta.status) !== 'RUNNING' && statusName(meta.status) !== 'SCHEDULED';
  const done = ended && !waits;
  if (done !== cursor.done) {
    cursor.done = done;
    await save();
  }
  return done ? 'done' : waits ? 'waits' : 'open';
};
