import { readdir } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault, reason } from '../fault.js';
import { exists } from '../files.js';
import { defineExperiment, resolveExperiment } from './experiment.js';
import { override } from './override.js';
import type { Experiment, ExperimentInput } from './schema.js';
import { didYouMean } from './spelling.js';
import { defineSweep } from './sweep.js';

const authoring = { defineExperiment, defineSweep };

const packageRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

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

/**
 * Loads the default export of a typed file. `bandalign` inside it means what an experiment is written with
 * (`defineExperiment`, `defineSweep`), wherever the file lies: the whole package would take seconds to load.
 * @throws Fault where there is no such file or it does not run.
 */
export const loadTyped = async (name: string): Promise<{ path: string; value: unknown }> => {
  const paths = [...new Set(candidates(name))];
  let path: string | undefined;
  for (const candidate of paths) if (path === undefined && (await exists(candidate))) path = candidate;
  if (path === undefined) throw await unknownFault(name);
  // here, as a worker of a sweep, which has its configuration whole, is spared it
  const { createJiti } = await import('jiti');
  const jiti = createJiti(import.meta.url, { virtualModules: { bandalign: authoring }, fsCache: false });
  try {
    return { path, value: await jiti.import(path, { default: true }) };
  } catch (error) {
    throw new Fault(`experiment: ${path}; it does not load: ${reason(error)}`);
  }
};

/** Loads an experiment by name or path, applies `--set` words and resolves it. */
export const loadExperiment = async (name: string, words: readonly string[] = []): Promise<Experiment> => {
  const { path, value } = await loadTyped(name);
  if (value === null || typeof value !== 'object')
    throw new Fault(`experiment: ${path}; its default export must be defineExperiment({…})`);
  return resolveExperiment(override(value as ExperimentInput, words));
};
