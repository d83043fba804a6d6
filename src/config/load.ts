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

const hasExtension = (name: string): boolean => /\.[mc]?[tj]s$/.test(name);

/** A path says so: by a slash or dots at its start, or by its extension, which no name has. */
const isPath = (name: string): boolean =>
  isAbsolute(name) || /^\.{1,2}[/\\]/.test(name) || hasExtension(name);

const folders = ['', 'paper', 'demo'];

/** Where `name` is looked for: a path as a file, anything else among the experiments of the package. */
const candidates = (name: string): string[] => {
  if (isPath(name)) return [resolve(hasExtension(name) ? name : `${name}.ts`)];
  if (name.split(/[/\\]/).includes('..')) return [];
  return folders.map((folder) => join(packageRoot, 'experiments', folder, `${name}.ts`));
};

/** A file in the working folder that somebody may mean by a name, as its path is typed; undefined where there is none. */
const localFile = async (name: string): Promise<string | undefined> => {
  const places = ['.', ...folders.map((folder) => join('experiments', folder))];
  for (const place of places) {
    const path = join(place, `${name}.ts`);
    if (!resolve(path).startsWith(join(packageRoot, 'experiments')) && (await exists(path)))
      return `./${path}`;
  }
  return undefined;
};

/** Names of the package's experiments, without `paper/` and `demo/`. */
const knownNames = async (): Promise<string[]> => {
  const found = await Promise.all(
    folders.map((folder) => readdir(join(packageRoot, 'experiments', folder)).catch(() => [])),
  );
  const names = found.flat().filter((name) => name.endsWith('.ts'));
  return [...new Set(names.map((name) => name.slice(0, -'.ts'.length)))].sort();
};

const unknownFault = async (name: string): Promise<Fault> => {
  if (isPath(name)) return new Fault(`experiment: ${candidates(name)[0]}; no such file`);
  const local = await localFile(name);
  if (local !== undefined)
    return new Fault(`experiment: ${name}; no packaged experiment, and a file needs its path: give ${local}`);
  const names = await knownNames();
  const [last] = name.split('/').slice(-1);
  return new Fault(
    `experiment: ${name}; no such file or name, ${didYouMean(last, names)}there are ${names.join(', ')}, or give a path ending in .ts`,
  );
};

/**
 * Loads the default export of a typed file. `bandalign` inside it means what an experiment is written with
 * (`defineExperiment`, `defineSweep`), wherever the file lies: the whole package would take seconds to load.
 *
 * A name (`unet-lut`, `paper/unet-lut`) means the packaged experiment, so that nothing in the working folder runs that was
 * not named; a path (`./mine.ts`, `mine.ts`, `/home/me/mine.ts`) means that file.
 *
 * @param onNote hears that a file in the working folder has the name of the packaged experiment that is loaded
 * @throws Fault where there is no such file or it does not run.
 */
export const loadTyped = async (
  name: string,
  onNote: (text: string) => void = () => {},
): Promise<{ path: string; value: unknown }> => {
  let path: string | undefined;
  for (const candidate of candidates(name))
    if (path === undefined && (await exists(candidate))) path = candidate;
  if (path === undefined) throw await unknownFault(name);
  const shadow = isPath(name) ? undefined : await localFile(name);
  if (shadow !== undefined)
    onNote(`experiment: ${name} is the packaged one; for the file here give its path, ${shadow}`);
  // here, as a worker of a sweep, which has its configuration whole, is spared it
  const { createJiti } = await import('jiti');
  const jiti = createJiti(import.meta.url, { virtualModules: { bandalign: authoring }, fsCache: false });
  try {
    return { path, value: await jiti.import(path, { default: true }) };
  } catch (error) {
    throw new Fault(`experiment: ${path}; it does not load: ${reason(error)}`);
  }
};

/** Loads an experiment by name or path (see {@link loadTyped}), applies `--set` words and resolves it. */
export const loadExperiment = async (
  name: string,
  words: readonly string[] = [],
  onNote?: (text: string) => void,
): Promise<Experiment> => {
  const { path, value } = await loadTyped(name, onNote);
  if (value === null || typeof value !== 'object')
    throw new Fault(`experiment: ${path}; its default export must be defineExperiment({…})`);
  return resolveExperiment(override(value as ExperimentInput, words));
};
