import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Fault } from '../../fault.js';
import { digest } from '../../files.js';
import { type ExperimentMeta, metaText, readExperimentMeta } from './meta.js';
import { place } from './place.js';

/** Folders of an experiment that are never runs. */
export const reserved: ReadonlySet<string> = new Set(['tags', 'datasets', 'traces', 'models', '.trash']);

/** Names of the sub-folders of `path`; none where it does not exist. */
export const subfolders = async (path: string): Promise<string[]> => {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
};

/** Experiments of a store, deleted ones (in `.trash`) too. */
export const listExperiments = async (store: string): Promise<ExperimentMeta[]> => {
  const found: ExperimentMeta[] = [];
  for (const [folder, deleted] of [
    [store, false],
    [join(store, '.trash'), true],
  ] as const)
    for (const name of await subfolders(folder)) {
      if (!/^\d+$/.test(name)) continue;
      const meta = await readExperimentMeta(join(folder, name, 'meta.yaml'));
      if (meta) found.push(deleted ? { ...meta, lifecycle_stage: 'deleted' } : meta);
    }
  return found;
};

/** 18 digits from the name: two processes that create one experiment at once create the same folder. */
const experimentId = (name: string, attempt: number): string => {
  const number = BigInt(`0x${digest(`${name}\n${attempt}`).slice(0, 16)}`);
  return String(10n ** 17n + (number % (9n * 10n ** 17n)));
};

/** Creates the store's folder and what MLflow expects in it. */
export const createStore = async (store: string): Promise<void> => {
  await mkdir(join(store, '.trash'), { recursive: true });
};

/**
 * Id of the experiment called `name`, created when there is none.
 * Throws a `Fault` when it is in the trash: MLflow wants names to be unique, deleted ones included.
 */
export const ensureExperiment = async (store: string, name: string): Promise<string> => {
  const same = (await listExperiments(store)).filter((experiment) => experiment.name === name);
  const active = same.find((experiment) => experiment.lifecycle_stage === 'active');
  if (active) return active.experiment_id;
  if (same.length > 0)
    throw new Fault(`experiment: ${name}; it was deleted in ${store}: restore it, or choose another name`);
  for (let attempt = 0; ; attempt++) {
    const id = experimentId(name, attempt);
    const folder = join(store, id);
    const there = await readExperimentMeta(join(folder, 'meta.yaml'));
    if (there?.name === name) return id;
    if (there) continue;
    // no file yet: a new experiment, or one whose creator died between the two steps
    await mkdir(folder, { recursive: true });
    const now = Date.now();
    const meta: ExperimentMeta = {
      artifact_location: pathToFileURL(folder).href,
      creation_time: now,
      experiment_id: id,
      last_update_time: now,
      lifecycle_stage: 'active',
      name,
    };
    await place(folder, 'meta.yaml', metaText(meta));
    return id;
  }
};

/** Folder of a run, wherever in the store it is; undefined if there is none. */
export const findRun = async (store: string, runId: string): Promise<string | undefined> => {
  if (!/^[0-9a-f]{32}$/.test(runId)) return undefined;
  for (const experiment of await subfolders(store)) {
    if (!/^\d+$/.test(experiment)) continue;
    const run = join(store, experiment, runId);
    if (await readExperimentOrRun(run)) return run;
  }
  return undefined;
};

const readExperimentOrRun = async (folder: string): Promise<boolean> =>
  (await readdir(folder).catch(() => [] as string[])).includes('meta.yaml');
