import { join } from 'node:path';
import { readRunMeta, statusName } from '../directory/meta.js';
import { readInputs } from '../directory/read.js';
import { MlflowError } from '../mlflow/error.js';
import { changedFiles } from './changes.js';
import { newCursor, readCursor } from './cursor.js';
import type { Destination } from './destination.js';
import { ensureRun } from './server-run.js';
import { shipArtifacts } from './ship-artifacts.js';
import { shipValues } from './ship-values.js';
import { keepCursor, type PassOptions, type Session, type Shipment } from './shipment.js';

const shipInputs = async (shipment: Shipment): Promise<void> => {
  const { destination, run, cursor, options, about } = shipment;
  const files = await changedFiles(run, 'inputs', cursor);
  if (files.length === 0) return;
  const inputs = (await readInputs(run)).map(({ context, sourceType, ...dataset }) => ({
    dataset: { ...dataset, source_type: sourceType },
    tags: context === '' ? [] : [{ key: 'mlflow.data.context', value: context }],
  }));
  try {
    if (inputs.length > 0) await destination.client.logInputs(cursor.runId!, inputs, options.signal);
  } catch (error) {
    // servers before 2.4 know no inputs
    if (!(error instanceof MlflowError) || error.retryable || error.httpStatus === 0) throw error;
    destination.onWarning(
      `tracking: ${about}: the server does not take the dataset inputs: ${error.message}`,
    );
  }
  for (const { name, mark } of files) cursor.files[`inputs/${name}`] = mark;
  await keepCursor(shipment);
};

/** Tells the server how the run stands, where it does not know. */
const shipState = async (shipment: Shipment): Promise<void> => {
  const { destination, meta, cursor, options } = shipment;
  const status = statusName(meta.status);
  const state = `${status} ${meta.end_time} ${meta.run_name}`;
  if (cursor.state === state) return;
  await destination.client.updateRun(
    {
      run_id: cursor.runId!,
      status,
      run_name: meta.run_name || undefined,
      ...(meta.end_time === null ? {} : { end_time: meta.end_time }),
    },
    options.signal,
  );
  cursor.state = state;
  await keepCursor(shipment);
};

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
  const meta = await readRunMeta(join(run, 'meta.yaml'));
  if (!meta || meta.lifecycle_stage === 'deleted') return 'done';
  session.cursor ??= (await readCursor(run, destination.key)) ?? newCursor();
  const cursor = session.cursor;
  const about = `run ${meta.run_name} (${meta.run_id})`;
  const shipment: Shipment = { destination, run, meta, cursor, session, options, about };
  if ((await ensureRun(shipment)) === 'deleted') {
    destination.onWarning(
      `tracking: ${about} was deleted on ${destination.client.address}; it is not sent any more`,
    );
    cursor.done = true;
    await keepCursor(shipment);
    return 'done';
  }
  let waits = false;
  for (let more = true; more; ) ({ more, waits } = await shipValues(shipment));
  await shipInputs(shipment);
  await shipArtifacts(shipment);
  await shipState(shipment);
  const ended = statusName(meta.status) !== 'RUNNING' && statusName(meta.status) !== 'SCHEDULED';
  const done = ended && !waits;
  if (done !== cursor.done) {
    cursor.done = done;
    await keepCursor(shipment);
  }
  return done ? 'done' : waits ? 'waits' : 'open';
};
