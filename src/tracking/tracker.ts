import { reason } from '../fault.js';

/** How a run stands; the words of MLflow. */
export type RunStatus = 'RUNNING' | 'SCHEDULED' | 'FINISHED' | 'FAILED' | 'KILLED';

/** A status that a run can end with. */
export type EndStatus = 'FINISHED' | 'FAILED' | 'KILLED';

/** What a run is started with. */
export interface RunSpec {
  /** Experiment (a named group of runs); created when it does not exist. `MLFLOW_EXPERIMENT_NAME` wins over it. */
  experiment: string;
  /** Name shown for the run; need not be unique. */
  name: string;
  /**
   * Id chosen by the caller, 32 hexadecimal digits: who keeps it on disk before the start can go on with the run however
   * early a process was killed. Default: a new one.
   */
  runId?: string;
  /** Run id of the parent: the run is nested under it (tag `mlflow.parentRunId`). */
  parent?: string;
  tags?: Readonly<Record<string, string>>;
  /** Start of the run, ms since 1970; default now. */
  startTime?: number;
  /** Record `system/…` metrics of this machine; default as `MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING` says, else off. */
  systemMetrics?: boolean;
}

/** A dataset that a run used, as MLflow shows it under "Datasets used". */
export interface DatasetInput {
  /** At most 500 characters. */
  name: string;
  /** Content digest; MLflow keeps 36 characters, a longer one is cut. */
  digest: string;
  /** Where the data is: a path or address. */
  source: string;
  /** Kind of source; default `local`. */
  sourceType?: string;
  /** Any JSON: bands, types, pixel size. */
  schema?: unknown;
  /** Any JSON: counts of patches, tiles, pixels. */
  profile?: unknown;
  /** What it was used for: `train`, `val`, `test` … */
  context: string;
}

/** Rows under named columns. */
export interface TrackedTable {
  columns: readonly string[];
  data: readonly (readonly (string | number | boolean | null)[])[];
}

/** A figure as text: a drawing, a page that brings its own script, or plotly's `{ data, layout }`. */
export type TrackedFigure = { svg: string } | { html: string } | { plotly: unknown };

/**
 * A run being recorded. Calls return at once and never throw or reject for want of a disk or a server: what goes wrong
 * is said by the tracker's `onWarning`, once. Awaiting is needed only where it is said.
 */
export interface TrackedRun {
  /** 32 hexadecimal digits; in the directory store, and the tag `bandalign.localRunId` on a server. */
  readonly runId: string;
  readonly experimentId: string;
  readonly name: string;
  /**
   * Configuration, once per key: nested objects become dotted keys, arrays JSON. A key keeps its first value (MLflow's
   * rule); another value later is a warning.
   */
  logParams: (config: object) => void;
  /**
   * A point for each of `values` at `step` (epoch or update, an integer). NaN and infinities are kept. `timestamp` is
   * ms since 1970, default now. After {@link Tracker.resumeRun} a point whose key and step are already recorded is left
   * out: a run that goes on from a checkpoint repeats what it did after it.
   */
  logMetrics: (step: number, values: Readonly<Record<string, number>>, timestamp?: number) => void;
  setTags: (tags: Readonly<Record<string, string>>) => void;
  /**
   * Copies a file, a folder or bytes to `artifactPath` of the run (`checkpoints/best.safetensors`), replacing what is
   * there. Await it before changing or removing the source.
   */
  logArtifact: (source: string | Uint8Array, artifactPath: string) => Promise<void>;
  /** A table at `artifactPath` (`tables/test.json`), which MLflow shows as one across runs. */
  logTable: (table: TrackedTable, artifactPath: string) => Promise<void>;
  /** A figure at `artifactPath`; the ending is `.svg`, `.html` or (plotly) `.json`. */
  logFigure: (figure: TrackedFigure, artifactPath: string) => Promise<void>;
  logInput: (dataset: DatasetInput) => void;
  /** Waits until all that was logged is on disk (fsync); call it with each checkpoint. Does not wait for a server. */
  flush: () => Promise<void>;
  /**
   * Ends the run: everything to disk, and to the server if there is one, for which it waits while there is progress and
   * a bounded time otherwise. Calls after it are ignored with a warning.
   */
  end: (status?: EndStatus, endTime?: number) => Promise<void>;
}

/** A place where runs are recorded. */
export interface Tracker {
  /** For people: the server's address without credentials, or the store's folder. */
  readonly where: string;
  /** The directory store: the record itself, or what is yet to be sent to the server. */
  readonly directory: string;
  /** The server that the store is sent to, without credentials; absent without one. */
  readonly server?: string;
  startRun: (spec: RunSpec) => Promise<TrackedRun>;
  /** Whether this store holds the run. */
  hasRun: (runId: string) => Promise<boolean>;
  /** Goes on with a run of this store: status RUNNING again, torn lines cut. Throws a `Fault` if there is none. */
  resumeRun: (runId: string) => Promise<TrackedRun>;
  /** Gives what earlier processes could not send a last, bounded chance, and stops all timers. */
  close: () => Promise<void>;
}

/**
 * Runs `work` inside a run that ends FINISHED, FAILED when it throws (the reason in tag `bandalign.failure`) or KILLED
 * when `signal` was aborted. What `work` throws is thrown on. With `resume` (a run id of this store) that run goes on; a
 * new one is started when the store does not hold it.
 */
export const trackRun = async <T>(
  tracker: Tracker,
  spec: RunSpec & { resume?: string; signal?: AbortSignal },
  work: (run: TrackedRun) => Promise<T>,
): Promise<T> => {
  const { resume, signal, ...start } = spec;
  const goesOn = resume !== undefined && (await tracker.hasRun(resume));
  const run = await (goesOn ? tracker.resumeRun(resume) : tracker.startRun(start));
  try {
    const result = await work(run);
    await run.end('FINISHED');
    return result;
  } catch (error) {
    if (!signal?.aborted) run.setTags({ 'bandalign.failure': reason(error) });
    await run.end(signal?.aborted ? 'KILLED' : 'FAILED');
    throw error;
  }
};
