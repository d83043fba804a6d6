import { randomBytes } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Fault } from '../../fault.js';
import { sourceTags, userName } from '../source-tags.js';
import type { RunSpec, TrackedRun, Tracker } from '../tracker.js';
import { createStore, ensureExperiment, findRun, listExperiments } from './experiments.js';
import { metaText, type RunMeta, readExperimentMeta, readRunMeta, statusNumber } from './meta.js';
import { disown, heartbeat, livingOwner, own, touch } from './owner.js';
import { place, removeTemporaries } from './place.js';
import { diskReason, openRescueStore } from './rescue.js';
import { openRecorder, type Recorder } from './run.js';
import { createWriter } from './writer.js';

/** What a directory store is opened with. */
export interface StoreOptions {
  onWarning: (text: string) => void;
  /** Name that wins over that of each run's spec. */
  experiment?: string;
  /** Id of the experiment of this store that all runs go to. */
  experimentId?: string;
  /** A run that the first started one goes on with: of this store, or of the server that it is sent to. */
  runId?: string;
  systemMetrics?: boolean;
  /** Seconds between samples of the system metrics; default 10. */
  sampleEvery?: number;
  /** A server that the store is sent to by this process. */
  shipping?: {
    /** A run is being recorded in `folder`. */
    begun: (folder: string, serverId?: string) => Promise<void>;
    /** Something new is in `folder`. */
    written: (folder: string) => void;
    /** The run in `folder` has ended: send it, with bounded patience. */
    ended: (folder: string) => Promise<void>;
  };
}

/** Buffered points reach the disk after this long, ms: what a kill -9 can lose. */
const writeEvery = 1000;

const openRecorders = new Set<Recorder>();
let exitHooked = false;
const hookExit = (): void => {
  if (exitHooked) return;
  exitHooked = true;
  process.on('exit', () => {
    for (const recorder of openRecorders) {
      try {
        recorder.writeSync();
      } catch {
        // the disk has failed before and was reported; nothing can be done any more
      }
    }
  });
};

/** Makes a run's folder with what MLflow expects in it; its meta.yaml comes last, so that a run is whole or absent. */
const createRunFolder = async (
  store: string,
  experimentName: string,
  meta: RunMeta,
  ships: boolean,
): Promise<string> => {
  await createStore(store);
  const experimentId = await ensureExperiment(store, experimentName);
  const folder = join(store, experimentId, meta.run_id);
  for (const name of ['params', 'tags', 'metrics', 'artifacts'])
    await mkdir(join(folder, name), { recursive: true });
  await own(folder, ships);
  const artifacts = pathToFileURL(join(folder, 'artifacts')).href;
  await place(
    folder,
    'meta.yaml',
    metaText({ ...meta, experiment_id: experimentId, artifact_uri: artifacts }),
  );
  return folder;
};

const newMeta = (spec: RunSpec): RunMeta => {
  const runId = spec.runId ?? randomBytes(16).toString('hex');
  return {
    artifact_uri: '',
    deleted_time: null,
    end_time: null,
    entry_point_name: '',
    experiment_id: '',
    lifecycle_stage: 'active',
    run_id: runId,
    run_name: spec.name,
    run_uuid: runId,
    source_name: '',
    source_type: 4,
    source_version: '',
    start_time: spec.startTime ?? Date.now(),
    status: statusNumber('RUNNING'),
    tags: [],
    user_id: userName(),
  };
};

/**
 * MLflow's file store at `directory`, without MLflow.
 *
 * Durability: metric points are buffered for at most a second and then appended, whole lines in one write, so they outlive
 * the process (kill -9); params, tags, tables and the run's state are written at once to a file of their own that is
 * renamed into place. `flush()` and `end()` also force them to the disk (fsync), so they outlive the machine.
 * Any number of processes may record different runs in one store.
 */
export const openDirectoryStore = (directory: string, options: StoreOptions): Tracker => {
  const store = resolve(directory);
  const { onWarning, shipping } = options;
  const open = new Map<string, Recorder>();
  let timer: NodeJS.Timeout | undefined;
  let beat: NodeJS.Timeout | undefined;
  let source: Promise<Record<string, string>> | undefined;
  let continued = options.runId;

  const stopTimers = (): void => {
    clearInterval(timer);
    clearInterval(beat);
    timer = beat = undefined;
  };
  const startTimers = (): void => {
    timer ??= setInterval(() => {
      for (const recorder of open.values()) void recorder.write();
    }, writeEvery).unref();
    beat ??= setInterval(() => {
      for (const recorder of open.values()) void touch(recorder.folder());
    }, heartbeat).unref();
  };

  const record = async (
    folder: string,
    experimentName: string,
    meta: RunMeta,
    resumed: boolean,
    systemMetrics: boolean,
  ): Promise<Recorder> => {
    const rescue = async (): Promise<string> =>
      createRunFolder(openRescueStore(store), experimentName, meta, shipping !== undefined);
    const writer = createWriter(folder, rescue, onWarning);
    const recorder = await openRecorder({
      writer,
      meta,
      resumed,
      systemMetrics,
      sampleEvery: options.sampleEvery ?? 10,
      onWarning,
      onWritten: () => shipping?.written(writer.folder()),
      onEnd: async () => {
        open.delete(meta.run_id);
        openRecorders.delete(recorder);
        if (open.size === 0) stopTimers();
        try {
          await shipping?.ended(writer.folder());
        } finally {
          await disown(writer.folder());
        }
      },
    });
    open.set(meta.run_id, recorder);
    openRecorders.add(recorder);
    hookExit();
    startTimers();
    return recorder;
  };

  const chooseExperiment = async (spec: RunSpec): Promise<string> => {
    const { experiment, experimentId } = options;
    if (experimentId === undefined) return experiment ?? spec.experiment;
    const chosen = (await listExperiments(store)).find((one) => one.experiment_id === experimentId);
    if (!chosen) throw new Fault(`MLFLOW_EXPERIMENT_ID: ${experimentId}; there is none in ${store}`);
    return chosen.name;
  };

  const startRun = async (spec: RunSpec): Promise<TrackedRun> => {
    const given = spec.parent === undefined ? continued : undefined;
    if (given !== undefined) {
      continued = undefined;
      if (shipping === undefined || (await findRun(store, given))) return resumeRun(given);
    }
    const experimentName = await chooseExperiment(spec);
    const meta = newMeta(spec);
    let folder: string;
    try {
      folder = await createRunFolder(store, experimentName, meta, shipping !== undefined);
    } catch (error) {
      if (error instanceof Fault) throw error;
      try {
        folder = await createRunFolder(openRescueStore(store), experimentName, meta, shipping !== undefined);
      } catch {
        throw new Fault(
          `tracking: ${store} cannot be written (${diskReason(error)}), nor can the temporary folder; free some space or set BANDALIGN_TRACKING_DIR`,
          1,
        );
      }
      onWarning(
        `tracking: ${store} cannot be written (${diskReason(error)}); the run is recorded in ${folder} and is brought back when the store can be written`,
      );
    }
    meta.experiment_id = basename(dirname(folder));
    meta.artifact_uri = pathToFileURL(join(folder, 'artifacts')).href;
    const systemMetrics = spec.systemMetrics ?? options.systemMetrics ?? false;
    const recorder = await record(folder, experimentName, meta, false, systemMetrics);
    await shipping?.begun(folder, given);
    source ??= sourceTags();
    recorder.setTags({
      ...(await source),
      'mlflow.runName': spec.name,
      ...(spec.parent === undefined ? {} : { 'mlflow.parentRunId': spec.parent }),
      'bandalign.localRunId': meta.run_id,
      ...spec.tags,
    });
    await recorder.settled();
    return recorder;
  };

  const resumeRun = async (runId: string): Promise<TrackedRun> => {
    const folder = await findRun(store, runId);
    const meta = folder && (await readRunMeta(join(folder, 'meta.yaml')));
    if (!folder || !meta) throw new Fault(`run: ${runId}; there is none in ${store}`);
    const owner = await livingOwner(folder);
    if (owner && (owner.pid !== process.pid || open.has(runId)))
      throw new Fault(
        `run: ${runId}; process ${owner.pid} on ${owner.host} is recording it: let it end first`,
      );
    const experiment = await readExperimentMeta(join(dirname(folder), 'meta.yaml'));
    await own(folder, shipping !== undefined).catch(() => {});
    await removeTemporaries(folder).catch(() => {});
    const running: RunMeta = { ...meta, status: statusNumber('RUNNING'), end_time: null };
    const systemMetrics =
      options.systemMetrics ??
      (await readFile(join(folder, 'metrics/system/cpu_utilization_percentage')).then(
        () => true,
        () => false,
      ));
    const recorder = await record(folder, experiment?.name ?? 'Default', running, true, systemMetrics);
    await recorder.saveMeta(running);
    await shipping?.begun(folder);
    return recorder;
  };

  return {
    where: store,
    directory: store,
    startRun,
    hasRun: async (runId) => (await findRun(store, runId)) !== undefined,
    resumeRun,
    close: async () => {
      for (const recorder of open.values()) await recorder.flush();
      stopTimers();
    },
  };
};
