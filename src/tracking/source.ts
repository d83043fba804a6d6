import { openAsBlob, readFileSync } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { flatten } from '../config/override.js';
import { syntheticMarker } from '../dataset/synth/marker.js';
import type { TileRecord } from '../evaluation/tile-record.js';
import type { Experiment } from '../experiments/experiment.js';
import { resolveExperiment } from '../experiments/experiment.js';
import { Fault, reason } from '../fault.js';
import { digest, exists } from '../files.js';
import { isLocked } from '../lock.js';
import { describeRun, describeSweep } from '../training/describe-run.js';
import type { Environment } from '../training/environment.js';
import { gapEnds } from '../training/gap-ends.js';
import { readLines, readResult, readTiles } from '../training/result.js';
import { type RunFolder, runFolder } from '../training/run-folder.js';
import { type RunState, readRunState, runStatus } from '../training/run-state.js';
import type { DatasetInput, ServerMetric, ServerPair } from './client.js';
import { allowedKey, uniqueKeys } from './keys.js';
import { epochPoints, type LoggedLine, scorePoints, systemPoints } from './points.js';

/** What a folder says of its run, in MLflow's terms. */
export interface Source {
  folder: string;
  /** The run's own id: tag `bandalign.localRunId` on a server. */
  id: string;
  name: string;
  /** Group of runs on the server. */
  experiment: string;
  /** Start of the first process, ms since 1970. */
  started: number;
  /** The sweep's run; null for a run of its own. */
  parent: Source | null;
  status: 'RUNNING' | 'FINISHED' | 'FAILED' | 'KILLED';
  /** ms since 1970; null while it runs. */
  ended: number | null;
  params: ServerPair[];
  /** Read when they are asked for: a run that a server has needs none. */
  tags: () => Promise<Record<string, string>>;
  inputs: DatasetInput[];
  /** What has been logged up to now, in order of steps. */
  points(): Promise<ServerMetric[]>;
  /** Final scores; empty before the end. */
  scores: ServerMetric[];
  /** Files and figures of an ended run by their artifact's name. */
  files(): Promise<Record<string, Blob>>;
  /** Weights, of a finished run that has some. */
  model: { weights: () => Promise<Blob>; type: string; step: number } | null;
  /** Tells the state of an ended run from any other: a server that has this mark has all of it. Empty while it runs. */
  mark: string;
}

/** What a sweep's manifest says that a server is told. */
interface Sweep {
  name: string;
  description: string;
  fingerprint: string;
  created: string;
  data: { root: string };
  trials: { tag: string; label: string; experiment: Experiment }[];
}

const statuses = { running: 'RUNNING', finished: 'FINISHED', failed: 'FAILED', stopped: 'KILLED' } as const;

/** Grows when the same folder is to be sent again, since more is made of it. */
const format = 1;

const markOf = (...parts: unknown[]): string => digest(JSON.stringify([format, ...parts])).slice(0, 16);

const readJson = async <T>(path: string): Promise<T | null> => {
  let text: string;
  try {
    // at once, as lists of runs read theirs: there may be thousands
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (/^ENO(ENT|TDIR)$/.test((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw new Fault(`run: ${path}; cannot be read (${reason(error)})`, 1);
  }
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new Fault(`run: ${path} is cut or not JSON; mend it, or remove the run`, 1);
  }
};

/** Sweeps by their folder, read again when the manifest has changed: trials are many and ask one after the other. */
const sweeps = new Map<string, { mtimeMs: number; sweep: Sweep | null }>();

const readSweep = async (folder: string): Promise<Sweep | null> => {
  const path = join(folder, 'manifest.json');
  const status = await stat(path).catch(() => null);
  if (!status) return null;
  const known = sweeps.get(folder);
  if (known?.mtimeMs === status.mtimeMs) return known.sweep;
  const manifest = await readJson<Sweep & { format: number }>(path);
  const sweep = manifest?.format === 1 && Array.isArray(manifest.trials) ? manifest : null;
  sweeps.set(folder, { mtimeMs: status.mtimeMs, sweep });
  return sweep;
};

/** Those of `names` that are in `folder`. */
const readFiles = async (folder: string, names: readonly string[]): Promise<Record<string, Blob>> => {
  const blobs = names.map(async (name) =>
    (await exists(join(folder, name))) ? openAsBlob(join(folder, name)) : null,
  );
  const entries = (await Promise.all(blobs)).map((blob, i): [string, Blob | null] => [names[i], blob]);
  return Object.fromEntries(entries.filter((entry): entry is [string, Blob] => entry[1] !== null));
};

const figureFiles = async (
  run: Parameters<typeof import('../figures/run-svg.js').runFigures>[0],
): Promise<Record<string, Blob>> => {
  // fonts and the drawing of figures: loaded only when a run has ended
  const { runFigures } = await import('../figures/run-svg.js');
  const figures = Object.entries(await runFigures(run));
  return Object.fromEntries(figures.map(([name, svg]) => [`figures/${name}.svg`, new Blob([svg])]));
};

const pairs = (entries: readonly [string, string][]): ServerPair[] => {
  const name = uniqueKeys();
  return entries.map(([key, value]) => ({ key: name(key), value }));
};

/** `North 12, South 8`: test tiles of each region. */
const regionCounts = (tiles: readonly TileRecord[]): string | undefined => {
  const counts = new Map<string, number>();
  for (const { split, region } of tiles)
    if (split === 'test') counts.set(region, (counts.get(region) ?? 0) + 1);
  return counts.size === 0 ? undefined : [...counts].map(([region, n]) => `${region} ${n}`).join(', ');
};

const datasetInputs = (data: RunState['data'], experiment: Experiment): DatasetInput[] =>
  (['train', 'val', 'test'] as const).map((context) => ({
    // one dataset by name and digest: the lists are told apart by their name
    name: `${basename(data.root).slice(0, 400)} ${context}`,
    digest: data.digest.slice(0, 36),
    source_type: 'local',
    source: JSON.stringify({ uri: data.root }),
    schema: JSON.stringify({
      mlflow_colspec: experiment.data.bands.map((band) => ({ name: band, type: 'integer', required: true })),
    }),
    profile: JSON.stringify({ num_rows: data[context], patches: data[context] }),
    context,
  }));

/** Points of a run's logs; lines without a time, of an earlier version, at the run's start. */
const loggedPoints = async (
  folder: RunFolder,
  bands: readonly string[],
  started: number,
): Promise<ServerMetric[]> => {
  const timeOf = ({ time }: LoggedLine): number => (time === undefined ? started : Date.parse(time));
  const name = uniqueKeys();
  const points: ServerMetric[] = [];
  for (const line of await readLines<LoggedLine>(folder.metrics))
    for (const point of epochPoints(line, bands, timeOf(line))) points.push(point);
  for (const line of await readLines<LoggedLine>(folder.system))
    for (const point of systemPoints(line, timeOf(line))) points.push(point);
  return points.map((point) => ({ ...point, key: name(point.key) }));
};

/** The run's id: its own, else one that follows from what was written at its start and end, so that copies agree. */
const idOf = async (folder: RunFolder, state: RunState | null, experimentText: string): Promise<string> =>
  state?.id ?? digest(experimentText + (await readFile(folder.result, 'utf8').catch(() => ''))).slice(0, 32);

/** The run in `folder`, or null where it holds none. */
const readRunSource = async (path: string): Promise<Source | null> => {
  const folder = runFolder(basename(path), dirname(resolve(path)));
  const stored = await readJson<unknown>(folder.experiment);
  if (stored === null) return null;
  let experiment: Experiment;
  try {
    experiment = resolveExperiment(stored as Experiment);
  } catch (error) {
    throw new Fault(`run: ${folder.experiment}; not an experiment (${reason(error)})`, 1);
  }
  const [state, result] = [await readRunState(folder.folder), await readResult(folder.result)];
  const sweep = await readSweep(dirname(folder.folder));
  const { status: end, ended: at } = await runStatus(folder, result, state);
  const status = statuses[end];
  const ended = at === null ? null : Date.parse(at);
  const started = Date.parse(state?.created ?? '') || (ended ?? Date.now());
  const trial = sweep?.trials.find(({ tag }) => tag === folder.tag);
  const parent = trial ? await readSweepSource(dirname(folder.folder), false) : null;
  const data = state?.data ?? result?.data;
  const gap = result && (await gapEnds({ experiment, result }, folder.folder, trial ? sweep!.trials : null));
  const model = experiment.model.conv ? `${experiment.model.kind}+conv` : experiment.model.kind;
  const readTags = async (): Promise<Record<string, string>> => {
    const environment = await readJson<Environment>(folder.environment);
    // a trial's own call is its executor's
    const words = trial ? ['sweep', sweep!.name] : (environment?.argv ?? []);
    const isNotebook = words.length === 1 && /kernel[^/]*\.json$/.test(words[0]);
    const git = environment?.git;
    const tiles = result ? await readTiles(folder.tiles).catch(() => []) : [];
    const tags: Record<string, string | undefined> = {
      'mlflow.user': state?.user,
      'mlflow.source.name': isNotebook ? 'notebook' : ['bandalign', ...words].join(' ').slice(0, 500),
      'mlflow.source.type': isNotebook ? 'NOTEBOOK' : 'LOCAL',
      'mlflow.source.git.commit': git?.commit,
      'mlflow.source.git.branch': git && git.branch !== 'HEAD' ? git.branch : undefined,
      'mlflow.source.git.dirty': git ? String(git.dirty) : undefined,
      'bandalign.version': environment?.version,
      model,
      dataset: data && basename(data.root),
      synthetic: data && String(await exists(join(data.root, syntheticMarker))),
      regions: regionCounts(tiles),
      'mlflow.note.content': describeRun(experiment, words, result, gap, state).slice(0, 5000),
      'bandalign.failure': state?.ended?.status === 'failed' ? state.ended.reason.slice(0, 5000) : undefined,
      ...(trial && {
        'bandalign.sweep': sweep!.name,
        'bandalign.fingerprint': sweep!.fingerprint,
        'bandalign.row': trial.label,
        'bandalign.seed': String(experiment.seed),
      }),
    };
    return Object.fromEntries(Object.entries(tags).filter((tag): tag is [string, string] => !!tag[1]));
  };
  let tags: Promise<Record<string, string>> | undefined;
  const names = ['experiment.json', 'environment.json', 'metrics.jsonl', 'tiles.jsonl', 'result.json'];
  return {
    folder: folder.folder,
    id: await idOf(folder, state, JSON.stringify(stored)),
    name: folder.tag,
    experiment: parent?.experiment ?? 'bandalign',
    started,
    parent,
    status,
    ended,
    params: pairs(Object.entries(flatten(experiment))),
    tags: () => {
      tags ??= readTags();
      return tags;
    },
    inputs: data ? datasetInputs(data, experiment) : [],
    points: () => loggedPoints(folder, experiment.data.bands, started),
    scores: result
      ? scorePoints(result, experiment, gap).map((point) => ({ ...point, key: allowedKey(point.key) }))
      : [],
    files: async () => ({
      ...(await readFiles(folder.folder, names)),
      ...(result ? await figureFiles({ folder, experiment, result }) : {}),
    }),
    model: result?.weights
      ? { weights: () => openAsBlob(folder.best), type: model, step: result.training?.epochs ?? 0 }
      : null,
    mark: status === 'RUNNING' ? '' : markOf(status, ended, result?.finished, result && gap),
  };
};

/** How a sweep's trials stand; whoever works at the sweep says how it ended. */
const readSweepEnd = async (folder: string, { trials, created }: Sweep) => {
  const paths = trials.map(({ tag }) => join(folder, tag));
  const results = await Promise.all(paths.map((path) => readResult(join(path, 'result.json'))));
  const finished = results.filter((result) => result !== null);
  const isFinished = finished.length === trials.length;
  if (!isFinished && (await isLocked(join(folder, 'lock')))) return null;
  const failures = await Promise.all(paths.map((path) => exists(join(path, 'failure.json'))));
  const failed = failures.filter(Boolean).length;
  const status = isFinished ? 'FINISHED' : failed > 0 ? ('FAILED' as const) : ('KILLED' as const);
  const timestamp = Math.max(Date.parse(created), ...finished.map((result) => Date.parse(result.finished)));
  const score = (key: string, value: number): ServerMetric => ({
    key,
    value,
    timestamp,
    step: finished.length,
  });
  return {
    status,
    ended: timestamp,
    scores: [score('sweep/finished', finished.length), score('sweep/failed', failed)],
    files: () => readFiles(folder, ['manifest.json', 'events.jsonl']),
    mark: markOf(status, timestamp, finished.length, failed),
  } satisfies Partial<Source>;
};

/** The sweep in `folder` as the run above its trials, or null where it holds none; its trials need not its end. */
const readSweepSource = async (folder: string, withEnd: boolean): Promise<Source | null> => {
  const sweep = await readSweep(folder);
  if (!sweep) return null;
  const { name, fingerprint, created, data, trials } = sweep;
  return {
    ...{ folder, name, experiment: name, parent: null, model: null },
    id: digest(JSON.stringify([name, fingerprint, created])).slice(0, 32),
    started: Date.parse(created),
    params: pairs([
      ['trials', String(trials.length)],
      ['data.root', data.root],
    ]),
    tags: async () => ({
      dataset: basename(data.root),
      synthetic: String(await exists(join(data.root, syntheticMarker))),
      'bandalign.sweep': name,
      'bandalign.fingerprint': fingerprint,
      'mlflow.source.name': `bandalign sweep ${name}`,
      'mlflow.source.type': 'LOCAL',
      'mlflow.note.content': describeSweep(sweep).slice(0, 5000),
    }),
    ...{ status: 'RUNNING', ended: null, inputs: [], scores: [], mark: '' },
    points: async () => [],
    files: async () => ({}),
    ...(withEnd ? await readSweepEnd(folder, sweep) : {}),
  };
};

/**
 * The run or the sweep in `folder`; null where it holds none.
 * @throws Fault for files that are cut
 */
export const readSource = async (folder: string): Promise<Source | null> =>
  (await readRunSource(folder)) ?? (await readSweepSource(folder, true));

/** Folders of runs and of sweeps at or under `root`, sweeps first; nothing is looked for inside a run. */
export const findSources = async (root: string): Promise<{ runs: string[]; sweeps: string[] }> => {
  const found = { runs: [] as string[], sweeps: [] as string[] };
  const visit = async (folder: string, depth: number): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
    const names = new Set(entries.map(({ name }) => name));
    if (names.has('experiment.json')) {
      found.runs.push(folder);
      return;
    }
    if (names.has('manifest.json')) found.sweeps.push(folder);
    if (depth === 0) return;
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1)))
      if (entry.isDirectory() && !entry.name.startsWith('.'))
        await visit(join(folder, entry.name), depth - 1);
  };
  await visit(resolve(root), 4);
  return found;
};
