import { type Destination, trackingDestination } from './tracking/send.js';
import { type Following, follow } from './tracking/sync.js';
import { makeRun, type RunOptions, type RunOutcome } from './training/run.js';

/** What a run is made of, and where its copy goes. */
export interface ExperimentOptions extends RunOptions {
  /** Server that the run is sent to as it grows; default as `MLFLOW_TRACKING_URI` says, null for none. */
  destination?: Destination | null;
}

/**
 * Makes one run: prepares the data, fits, scores on validation and test lists, writes the run's folder. `result.json`
 * comes last; until then `resume` continues. With `MLFLOW_TRACKING_URI` set, a server gets a copy while the run goes on.
 *
 * @throws Fault for bad input, a finished tag without `resume` or `overwrite`, a tag that another process is at, a loss that
 *   is not finite, a full disk
 */
export const runExperiment = async ({ destination, ...options }: ExperimentOptions): Promise<RunOutcome> => {
  const server = destination === undefined ? trackingDestination(options.onNote) : destination;
  if (!server) return makeRun(options);
  let following: Following | undefined;
  const onFolder = (folder: string): void => {
    following ??= follow(folder, server);
  };
  try {
    const outcome = await makeRun({ ...options, onFolder });
    // a finished run whose process was killed before all of it had been sent
    onFolder(outcome.folder);
    return outcome;
  } finally {
    await following?.end();
  }
};
