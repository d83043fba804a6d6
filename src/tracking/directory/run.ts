import { createHash } from 'node:crypto';
import { constants, mkdirSync, writeFileSync } from 'node:fs';
import { access, mkdir, readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { reason } from '../../fault.js';
import { flattenParams, type KeyKind, type KeySpace, keySpace } from '../keys.js';
import { sampleSystem } from '../system-metrics.js';
import type { DatasetInput, EndStatus, TrackedRun } from '../tracker.js';
import { metaText, type RunMeta, statusNumber } from './meta.js';
import { filesUnder, openMetricFiles } from './metrics.js';
import { place, placeCopy, syncFiles } from './place.js';
import { diskReason } from './rescue.js';
import type { Writer } from './writer.js';

/** What a run's recorder is opened with. */
export interface RecorderOptions {
  writer: Writer;
  meta: RunMeta;
  /** Names and values that an earlier process recorded. */
  resumed: boolean;
  systemMetrics: boolean;
  /** Seconds between samples of the system metrics. */
  sampleEvery: number;
  onWarning: (text: string) => void;
  /** Called when something new is on disk. */
  onWritten: () => void;
  /** Called within `end`, when all is on disk. */
  onEnd: () => Promise<void>;
}

/** A run being recorded, and what the tracker does with it. */
export interface Recorder extends TrackedRun {
  /** Hands what is buffered to the disk. */
  write: () => Promise<void>;
  writeSync: () => void;
  /** Waits until what was logged is in files, without forcing it to the disk. */
  settled: () => Promise<void>;
  saveMeta: (changes: Partial<RunMeta>) => Promise<void>;
  /** Where the run's files are now. */
  folder: () => string;
}

/** Buffered metric points are handed to the disk at this many bytes, or by the tracker's timer. */
const bufferLimit = 2 ** 20;

const md5 = (text: string): string => createHash('md5').update(text).digest('hex');

const readValues = async (folder: string): Promise<Map<string, string>> => {
  const values = new Map<string, string>();
  for (const name of await filesUnder(folder)) values.set(name, await readFile(join(folder, name), 'utf8'));
  return values;
};

/** A path inside the run's artifacts: relative, without `..`, and without what the server refuses or decodes (# %). */
export const artifactName = (path: string): string =>
  path
    .replaceAll('\\', '/')
    .replace(/[#%\p{Cc}]/gu, '_')
    .split('/')
    .filter((part) => part !== '' && part !== '.' && part !== '..')
    .join('/') || 'artifact';

const withEnding = (path: string, ending: string): string =>
  path.endsWith(ending) ? path : `${path}${ending}`;

/** Opens the run in the writer's folder, which exists and holds its meta.yaml. */
export const openRecorder = async (options: RecorderOptions): Promise<Recorder> => {
  const { writer, meta, onWarning, onWritten } = options;
  const runId = meta.run_id;
  const about = `run ${meta.run_name} (${runId})`;
  const metrics = await openMetricFiles(writer, options.resumed, (name) =>
    onWarning(`tracking: ${about}: metric ${name} ended in a torn line, which was cut`),
  );
  const earlier = async (kind: string): Promise<Map<string, string>> =>
    options.resumed ? readValues(join(writer.folder(), kind)) : new Map();
  const params = await earlier('params');
  const tags = await earlier('tags');
  const space = (kind: KeyKind, names: Iterable<string>): KeySpace =>
    keySpace(names, (key, name) =>
      onWarning(`tracking: ${kind} ${key}: MLflow cannot store this name; it is recorded as ${name}`),
    );
  const names = {
    metric: space('metric', metrics.names),
    param: space('param', params.keys()),
    tag: space('tag', tags.keys()),
  };
  const inputs = new Map<string, string>();
  /** Files written since the last fsync, and values that the disk has not taken yet. */
  const unsynced = new Set<string>();
  const unplaced = new Map<string, string>();
  let ended = false;
  let current: RunMeta = meta;
  const waiting = new Set<Promise<unknown>>();

  const ignored = (): boolean => {
    if (ended) onWarning(`tracking: ${about} has ended; what is logged after that is left out`);
    return ended;
  };

  const apply = (bytes: number, work: (folder: string) => Promise<void>): Promise<void> => {
    const done = writer.apply({ bytes, apply: work }).then(onWritten);
    waiting.add(done);
    void done.finally(() => waiting.delete(done));
    return done;
  };

  const placed = (path: string, text: string): Promise<void> => {
    unplaced.set(path, text);
    return apply(Buffer.byteLength(text), async (folder) => {
      await place(folder, path, text);
      unsynced.add(path);
      if (unplaced.get(path) === text) unplaced.delete(path);
    });
  };

  const write = async (): Promise<void> => {
    if (metrics.waiting() === 0) return;
    for (const name of await metrics.write()) unsynced.add(join('metrics', name));
    onWritten();
  };

  const logMetrics: TrackedRun['logMetrics'] = (step, values, timestamp) => {
    if (ignored()) return;
    const whole = Number.isSafeInteger(step) ? step : Math.round(step) || 0;
    for (const [key, value] of Object.entries(values))
      metrics.add(names.metric.claim(key), whole, value, timestamp);
    if (metrics.waiting() > bufferLimit) void write();
  };

  const setTags: TrackedRun['setTags'] = (values) => {
    if (ignored()) return;
    for (const [key, value] of Object.entries(values)) {
      const name = names.tag.claim(key);
      if (tags.get(name) === value) continue;
      tags.set(name, value);
      void placed(join('tags', name), value);
    }
  };

  const saveMeta = (changes: Partial<RunMeta>): Promise<void> => {
    current = { ...current, ...changes };
    return placed('meta.yaml', metaText(current));
  };

  const copyIn = async (source: string, path: string): Promise<void> => {
    const isFolder = (await stat(source)).isDirectory();
    const files = isFolder ? await filesUnder(source) : [''];
    for (const file of files)
      await apply(0, async (folder) => {
        const name = join('artifacts', path, file && artifactName(file));
        // the source may be unreadable while the disk is well: that is no reason to leave the store
        const bytes = await readable(join(source, file));
        if (bytes === undefined) return;
        await placeCopy(folder, name, join(source, file));
        unsynced.add(name);
      });
  };

  const readable = async (path: string): Promise<true | undefined> => {
    try {
      await access(path, constants.R_OK);
      return true;
    } catch (error) {
      onWarning(`tracking: artifact ${path} is left out of ${about}: ${diskReason(error)}`);
      return undefined;
    }
  };

  const logArtifact: TrackedRun['logArtifact'] = async (source, artifactPath) => {
    if (ignored()) return;
    const path = artifactName(artifactPath);
    if (typeof source !== 'string') {
      const bytes = Uint8Array.from(source);
      await apply(bytes.length, async (folder) => {
        await place(folder, join('artifacts', path), bytes);
        unsynced.add(join('artifacts', path));
      });
      return;
    }
    const copied = copyIn(source, path).catch((error) =>
      onWarning(`tracking: artifact ${source} is left out of ${about}: ${diskReason(error)}`),
    );
    waiting.add(copied);
    await copied.finally(() => waiting.delete(copied));
  };

  const logTable: TrackedRun['logTable'] = async (table, artifactPath) => {
    const path = artifactName(withEnding(artifactPath, '.json'));
    const known = loggedArtifacts(tags.get('mlflow.loggedArtifacts'));
    if (!known.some((entry) => entry.path === path))
      setTags({ 'mlflow.loggedArtifacts': JSON.stringify([...known, { path, type: 'table' }]) });
    const { columns, data } = table;
    await logArtifact(Buffer.from(JSON.stringify({ columns, data })), path);
  };

  const logFigure: TrackedRun['logFigure'] = (figure, artifactPath) => {
    const [text, ending] =
      'svg' in figure
        ? [figure.svg, '.svg']
        : 'html' in figure
          ? [figure.html, '.html']
          : [JSON.stringify(figure.plotly), '.json'];
    return logArtifact(Buffer.from(text), withEnding(artifactPath, ending));
  };

  const logInput: TrackedRun['logInput'] = (dataset) => {
    if (ignored()) return;
    const digest = dataset.digest.slice(0, 36);
    // MLflow holds one input for each run and dataset: a second use of it needs a name of its own
    const used = inputs.get(dataset.name + digest);
    const name =
      used === undefined || used === dataset.context ? dataset.name : `${dataset.name} (${dataset.context})`;
    inputs.set(name + digest, dataset.context);
    const datasetId = md5(name + digest);
    const inputId = md5(datasetId + runId);
    const input = {
      destination_id: datasetId,
      destination_type: 'RUN',
      source_id: datasetId,
      source_type: 'DATASET',
    };
    const context = `tags:\n  mlflow.data.context: ${JSON.stringify(dataset.context)}\n`;
    void apply(0, async (folder) => {
      const experiment = dirname(folder);
      await mkdir(join(experiment, 'datasets', datasetId), { recursive: true });
      await place(
        experiment,
        join('datasets', datasetId, 'meta.yaml'),
        metaText(datasetMeta(dataset, name, digest)),
      );
    });
    void placed(join('inputs', inputId, 'meta.yaml'), metaText(input) + context);
  };

  const settleAll = async (): Promise<number> => {
    await write();
    while (waiting.size > 0) await Promise.all(waiting);
    return writer.settle();
  };

  const flush: TrackedRun['flush'] = async () => {
    await settleAll();
    const paths = [...unsynced].map((path) => join(writer.folder(), path));
    unsynced.clear();
    try {
      await syncFiles(new Set([...paths, ...paths.map((path) => dirname(path))]));
    } catch (error) {
      onWarning(`tracking: ${about} is not yet safe on disk: ${diskReason(error)}`);
    }
    onWritten();
  };

  const stopSampling = options.systemMetrics
    ? sampleSystem(options.sampleEvery, metrics.nextStep('system/'), writer.folder(), logMetrics)
    : () => {};

  const end: TrackedRun['end'] = async (status: EndStatus = 'FINISHED', endTime = Date.now()) => {
    if (ignored()) return;
    stopSampling();
    ended = true;
    await settleAll();
    await saveMeta({ status: statusNumber(status), end_time: endTime });
    const lost = await writer.settle();
    if (lost > 0)
      onWarning(`tracking: ${about} ended with ${lost} records that no disk has taken; they are lost`);
    await flush();
    await options.onEnd().catch((error) => onWarning(`tracking: ${about}: ${reason(error)}`));
  };

  const writeSync = (): void => {
    if (ended) return;
    metrics.writeSync();
    for (const [path, text] of unplaced) {
      mkdirSync(dirname(join(writer.folder(), path)), { recursive: true });
      writeFileSync(join(writer.folder(), path), text);
    }
    unplaced.clear();
  };

  return {
    runId,
    experimentId: meta.experiment_id,
    name: meta.run_name,
    logParams: (config) => {
      if (ignored()) return;
      for (const [key, value] of flattenParams(config)) {
        const name = names.param.claim(key);
        const known = params.get(name);
        if (known === value) continue;
        if (known !== undefined) {
          onWarning(`tracking: ${about}: param ${key} stays ${known}; ${value} came later and is left out`);
          continue;
        }
        params.set(name, value);
        void placed(join('params', name), value);
      }
    },
    logMetrics,
    setTags,
    logArtifact,
    logTable,
    logFigure,
    logInput,
    flush,
    end,
    write,
    writeSync,
    settled: async () => void (await settleAll()),
    saveMeta,
    folder: writer.folder,
  };
};

const loggedArtifacts = (tag: string | undefined): { path: string; type: string }[] => {
  try {
    return JSON.parse(tag ?? '[]') as { path: string; type: string }[];
  } catch {
    return [];
  }
};

const datasetMeta = (dataset: DatasetInput, name: string, digest: string): Record<string, string> => ({
  digest,
  name: name.slice(0, 500),
  profile: JSON.stringify(dataset.profile ?? {}),
  schema: JSON.stringify(dataset.schema ?? {}),
  source: dataset.source.startsWith('{') ? dataset.source : JSON.stringify({ uri: dataset.source }),
  source_type: dataset.sourceType ?? 'local',
});
