import { dirname, join } from 'node:path';
import { readExperimentMeta } from '../directory/meta.js';
import type { ServerPair, ServerRun } from '../mlflow/client.js';
import { newCursor } from './cursor.js';
import { findServerRun, localIdTag, serverExperiment, serverRun } from './destination.js';
import { changedTags } from './ship-values.js';
import { keepCursor, type Shipment } from './shipment.js';

/** Tags that fit into the call that makes a run. */
const tagsAtStart = (tags: readonly ServerPair[]): ServerPair[] =>
  tags.filter(({ value }) => value.length <= 5000).slice(0, 100);

const make = async (shipment: Shipment, experimentId: string): Promise<ServerRun> => {
  const { destination, meta, cursor, session, options } = shipment;
  const { pairs, marks } = await changedTags(shipment);
  const tags = tagsAtStart(pairs);
  if (!tags.some((tag) => tag.key === localIdTag)) tags.push({ key: localIdTag, value: meta.run_id });
  session.tried = true;
  const made = await destination.client.createRun(
    {
      experiment_id: experimentId,
      run_name: meta.run_name,
      start_time: meta.start_time ?? Date.now(),
      tags,
    },
    options.signal,
  );
  for (const { key: name } of tags) cursor.files[`tags/${name}`] = marks.get(name) ?? '';
  cursor.state = `RUNNING null ${meta.run_name}`;
  session.fresh = true;
  return made;
};

const findOrMake = async (shipment: Shipment): Promise<ServerRun> => {
  const { destination, run, meta, session, options } = shipment;
  const experiment = await readExperimentMeta(join(dirname(run), 'meta.yaml'));
  const experimentId = await serverExperiment(destination, experiment?.name ?? 'Default', options.signal);
  const isNew = !session.tried && (await options.heldNone?.(experimentId)) === true;
  const found = isNew
    ? undefined
    : await findServerRun(destination, experimentId, meta.run_id, options.signal);
  return found ?? make(shipment, experimentId);
};

/** Sees that the run is on the server; the cursor then names it there. `deleted`: somebody deleted it there. */
export const ensureRun = async (shipment: Shipment): Promise<'there' | 'deleted'> => {
  const { destination, cursor, session, options } = shipment;
  if (session.seen && cursor.runId !== undefined) return 'there';
  const there =
    cursor.runId === undefined ? undefined : await serverRun(destination, cursor.runId, options.signal);
  if (cursor.runId !== undefined && !there) {
    // the server was set up anew
    Object.assign(cursor, newCursor(), { runId: undefined, artifactUri: undefined, state: undefined });
    session.fresh = false;
  }
  const found = there ?? (await findOrMake(shipment));
  cursor.runId = found.info.run_id;
  cursor.experimentId = found.info.experiment_id;
  cursor.artifactUri = found.info.artifact_uri;
  session.seen = true;
  await keepCursor(shipment);
  return found.info.lifecycle_stage === 'deleted' ? 'deleted' : 'there';
};
