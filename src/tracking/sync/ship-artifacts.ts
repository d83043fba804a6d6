import { rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { reason } from '../../fault.js';
import { artifactPlace, putArtifact } from '../mlflow/artifacts.js';
import { MlflowError } from '../mlflow/error.js';
import { changedFiles } from './changes.js';
import { keepCursor, type Shipment } from './shipment.js';

/** A loopback address may lead into a container or through a tunnel: then what was copied here is not seen there. */
const seeArtifact = async (
  { destination, cursor, session, options }: Shipment,
  folder: string,
  name: string,
): Promise<void> => {
  if (session.seesFolder) return;
  const listed = await destination.client.listArtifacts(
    cursor.runId!,
    posix.dirname(name) === '.' ? '' : posix.dirname(name),
    options.signal,
  );
  session.seesFolder = listed.some((file) => file.path === name);
  if (session.seesFolder) return;
  await rm(join(folder, name), { force: true });
  throw new Error(
    `it keeps artifacts in ${folder} of its own disk, which is not this machine's; start it with --serve-artifacts`,
  );
};

/** Sends the artifacts that the server lacks; what it refuses stays in the store, with a warning. */
export const shipArtifacts = async (shipment: Shipment): Promise<void> => {
  const { destination, run, cursor, options, about } = shipment;
  const { client, onWarning } = destination;
  const { signal } = options;
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
      if (place.kind === 'folder') await seeArtifact(shipment, place.folder, name);
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
    await keepCursor(shipment);
    options.onSent?.({ points: 0, files: 1 });
  }
};
