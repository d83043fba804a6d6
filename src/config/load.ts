import { access } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createJiti } from 'jiti';
import { Fault, reason } from '../fault.js';
import { defineExperiment, resolveExperiment } from './experiment.js';
import { override } from './override.js';
import type { Experiment, ExperimentInput } from './schema.js';
import { defineSweep } from './sweep.js';

const authoring = { defineExperiment, defineSweep };

const packageRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Where `name` may stand: a path, or a name under `experiments/` here or in the package. */
const candidates = (name: string): string[] => {
  if (/\.[mc]?[tj]s$/.test(name)) return [isAbsolute(name) ? name : resolve(name)];
  return [process.cwd(), packageRoot].flatMap((root) =>
    ['', 'paper', 'demo'].map((folder) => join(root, 'experiments', folder, `${name}.ts`)),
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
  if (path === undefined)
    throw new Fault(`experiment: ${name}; no such file or name, looked for ${paths.join(', ')}`);
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
