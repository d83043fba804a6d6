import { Fault } from '../../fault.js';
import { rescueStore } from '../directory/rescue.js';
import type { MlflowClient, ServerRun } from '../mlflow/client.js';
import { hasCode, MlflowError } from '../mlflow/error.js';

/** A server that runs are sent to, and what is known of it. */
export interface Destination {
  client: MlflowClient;
  /** Names the server (and workspace) in cursors. */
  key: string;
  /** Id of the experiment that all runs go to, if `MLFLOW_EXPERIMENT_ID` says so. */
  experimentId?: string;
  /** Ids of experiments by name. */
  experiments: Map<string, Promise<string>>;
  /** Stores in which a run's parent may be, beside the run's own. */
  stores: readonly string[];
  onWarning: (text: string) => void;
}

const findOrCreate = async ({ client }: Destination, name: string, signal?: AbortSignal): Promise<string> => {
  const find = async (): Promise<string | undefined> => {
    try {
      const found = await client.experimentByName(name, signal);
      if (found.lifecycle_stage === 'deleted')
        throw new Fault(
          `experiment: ${name}; it was deleted on ${client.address}: restore it there, or set MLFLOW_EXPERIMENT_NAME to another name`,
          1,
        );
      return found.experiment_id;
    } catch (error) {
      if (hasCode(error, 'RESOURCE_DOES_NOT_EXIST')) return undefined;
      throw error;
    }
  };
  const id = await find();
  if (id !== undefined) return id;
  try {
    return await client.createExperiment(name, signal);
  } catch (error) {
    // somebody was faster, or an earlier try went through although its answer was lost
    if (!hasCode(error, 'RESOURCE_ALREADY_EXISTS')) throw error;
    const raced = await find();
    if (raced === undefined) throw error;
    return raced;
  }
};

/** Id of the experiment called `name` on the server, created when there is none. */
export const serverExperiment = (
  destination: Destination,
  name: string,
  signal?: AbortSignal,
): Promise<string> => {
  if (destination.experimentId !== undefined) return Promise.resolve(destination.experimentId);
  const known = destination.experiments.get(name);
  if (known) return known;
  const asked = findOrCreate(destination, name, signal);
  destination.experiments.set(name, asked);
  asked.catch(() => destination.experiments.delete(name));
  return asked;
};

/** Whether `error` says that the server takes nothing at all now, rather than that it refuses one thing. */
export const isServerDown = (error: unknown): boolean =>
  error instanceof MlflowError &&
  (error.retryable || error.httpStatus < 400 || error.httpStatus === 401 || error.httpStatus === 403);

/** A destination for the runs of `store` on the server of `client`; `env` may name a workspace and an experiment. */
export const openDestination = (
  client: MlflowClient,
  env: Readonly<Record<string, string | undefined>>,
  store: string,
  onWarning: (text: string) => void,
): Destination => ({
  client,
  stores: [store, rescueStore(store)],
  key: env['MLFLOW_WORKSPACE'] ? `${client.address}#${env['MLFLOW_WORKSPACE']}` : client.address,
  experimentId: env['MLFLOW_EXPERIMENT_NAME'] ? undefined : env['MLFLOW_EXPERIMENT_ID'] || undefined,
  experiments: new Map(),
  onWarning,
});

/** Tag that ties a server's run to ours. */
export const localIdTag = 'bandalign.localRunId';

/** The server's run that was made from ours; the first where there are several. */
export const findServerRun = async (
  { client }: Destination,
  experimentId: string,
  localId: string,
  signal?: AbortSignal,
): Promise<ServerRun | undefined> => {
  const found = await client.searchRuns([experimentId], `tags.\`${localIdTag}\` = '${localId}'`, signal);
  return found.sort(
    (a, b) => a.info.start_time - b.info.start_time || (a.info.run_id < b.info.run_id ? -1 : 1),
  )[0];
};

/** Whether an experiment of the server holds any run that was made from one of ours. */
export const holdsOurs = (
  { client }: Destination,
  experimentId: string,
  signal?: AbortSignal,
): Promise<boolean> => client.hasRuns([experimentId], `tags.\`${localIdTag}\` LIKE '%'`, signal);

/** The server's run with that id; undefined when it has none. */
export const serverRun = async (
  { client }: Destination,
  runId: string,
  signal?: AbortSignal,
): Promise<ServerRun | undefined> => {
  try {
    return await client.getRun(runId, signal);
  } catch (error) {
    const refused = error instanceof MlflowError && (error.httpStatus === 404 || error.httpStatus === 400);
    if (refused && (hasCode(error, 'RESOURCE_DOES_NOT_EXIST') || hasCode(error, 'INVALID_PARAMETER_VALUE')))
      return undefined;
    throw error;
  }
};
