import { access, readdir } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { override } from '../config/override.js';
import { seededRandom } from '../config/random.js';
import { didYouMean } from '../config/spelling.js';
import { Fault, reason } from '../fault.js';
import { fileDigest } from '../files.js';
import { definePenalty } from '../losses/index.js';
import { defineMetric } from '../metrics/index.js';
import { defineModel, models } from '../models/index.js';
import { smoothLuts } from '../models/smooth-lut.js';
import {
  type Definition,
  defineExperiment,
  type Experiment,
  type ExperimentInput,
  resolveExperiment,
} from './experiment.js';
import { defineSweep } from './sweep.js';

/** What `bandalign` means inside an experiment file: all that one is written with. */
const authoring = {
  ...{ defineExperiment, defineSweep, defineModel, definePenalty, defineMetric },
  ...{ z, seededRandom, smoothLuts, Fault },
};

const packageRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

const isPath = (name: string): boolean => /\.[mc]?[tj]s$/.test(name);

/** Where `name` may stand: a path, or a name under `experiments/` here or in the package. */
const candidates = (name: string): string[] => {
  if (isPath(name)) return [isAbsolute(name) ? name : resolve(name)];
  return [process.cwd(), packageRoot].flatMap((root) =>
    ['', 'paper', 'demo'].map((folder) => join(root, 'experiments', folder, `${name}.ts`)),
  );
};

/** Names under `experiments/` here and in the package, without `paper/` and `demo/`. */
const knownNames = async (): Promise<string[]> => {
  const folders = [process.cwd(), packageRoot].flatMap((root) =>
    ['', 'paper', 'demo'].map((folder) => join(root, 'experiments', folder)),
  );
  const found = await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])));
  const names = found.flat().filter((name) => name.endsWith('.ts'));
  return [...new Set(names.map((name) => name.slice(0, -'.ts'.length)))].sort();
};

const unknownFault = async (name: string): Promise<Fault> => {
  if (isPath(name)) return new Fault(`experiment: ${resolve(name)}; no such file`);
  const names = await knownNames();
  const [last] = name.split('/').slice(-1);
  return new Fault(
    `experiment: ${name}; no such file or name, ${didYouMean(last, names)}there are ${names.join(', ')}, or give a path ending in .ts`,
  );
};

const execute = async (path: string): Promise<unknown> => {
  // here, as a worker of a sweep, which has its configuration whole, is spared it
  const { createJiti } = await import('jiti');
  const jiti = createJiti(import.meta.url, { virtualModules: { bandalign: authoring }, fsCache: false });
  try {
    return await jiti.import(path, { default: true });
  } catch (error) {
    // what a definition is refused for is said by its own fault
    if (error instanceof Fault) throw error;
    throw new Fault(`file: ${path}; it does not run: ${reason(error)}`);
  }
};

/**
 * Loads the default export of a typed file. `bandalign` inside it means what an experiment is written with
 * (`defineExperiment`, `defineModel` and their like), wherever the file lies: the whole package would take seconds to load.
 * @throws Fault where there is no such file or it does not run.
 */
export const loadTyped = async (name: string): Promise<{ path: string; value: unknown }> => {
  const paths = [...new Set(candidates(name))];
  let path: string | undefined;
  for (const candidate of paths) if (path === undefined && (await exists(candidate))) path = candidate;
  if (path === undefined) throw await unknownFault(name);
  return { path, value: await execute(path) };
};

/**
 * Runs a file that defines models, penalties or metrics: what `--model FILE` names.
 *
 * @throws Fault where there is no such file, it does not run, or it defines no model
 */
export const loadDefinitions = async (file: string): Promise<void> => {
  const path = resolve(file);
  if (!(await exists(path))) throw new Fault(`--model: ${file}; no such file`);
  await execute(path);
  if (models.list().every(({ kind }) => models.isBuiltIn(kind)))
    throw new Fault(`--model: ${file}; it defines no model, call defineModel({…}) in it`);
};

/**
 * Runs the files that define what a submitted configuration uses, in a process that works for the one that was given them
 * by name.
 *
 * @throws Fault where one is gone, does not run, or has changed since
 */
export const loadSubmitted = async (definitions: readonly Definition[]): Promise<void> => {
  for (const [file, digest] of new Map(definitions.map((one) => [one.file, one.digest]))) {
    if (!(await exists(file))) throw new Fault(`definition: ${file}; it is gone, put it back`);
    if ((await fileDigest(file)) !== digest)
      throw new Fault(`definition: ${file}; it has changed since this was submitted, submit it again`);
    await execute(file);
  }
};

/** Loads an experiment by name or path, applies `--set` words and resolves it. */
export const loadExperiment = async (name: string, words: readonly string[] = []): Promise<Experiment> => {
  const { path, value } = await loadTyped(name);
  if (value === null || typeof value !== 'object')
    throw new Fault(`experiment: ${path}; its default export must be defineExperiment({…})`);
  return resolveExperiment(override(value as ExperimentInput, words));
};
