import { readdir, readFile } from 'node:fs/promises';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { override } from '../config/override.js';
import { didYouMean } from '../config/spelling.js';
import { Fault, reason } from '../fault.js';
import { exists, fileDigest } from '../files.js';
import { isBuiltInMetric, metrics } from '../metrics/index.js';
import { models } from '../models/index.js';
import * as authoring from './authoring.js';
import { type Definition, type Experiment, type ExperimentInput, resolveExperiment } from './experiment.js';

const packageRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The package's own experiments. */
export const packagedExperiments = join(packageRoot, 'experiments');

const hasExtension = (name: string): boolean => /\.[mc]?[tj]s$/.test(name);

/** A path says so: by a slash or dots at its start, or by its extension, which no name has. */
const isPath = (name: string): boolean =>
  isAbsolute(name) || /^\.{1,2}[/\\]/.test(name) || hasExtension(name);

const folders = ['', 'paper', 'demo'];

/** Where `name` is looked for: a path as a file, anything else among the experiments of the package. */
const candidates = (name: string): string[] => {
  if (isPath(name)) return [resolve(hasExtension(name) ? name : `${name}.ts`)];
  if (name.split(/[/\\]/).includes('..')) return [];
  return folders.map((folder) => join(packagedExperiments, folder, `${name}.ts`));
};

/** A file in the working folder that somebody may mean by a name, as its path is typed; undefined where there is none. */
const localFile = async (name: string): Promise<string | undefined> => {
  const places = ['.', ...folders.map((folder) => join('experiments', folder))];
  for (const place of places) {
    const path = join(place, `${name}.ts`);
    if (!resolve(path).startsWith(packagedExperiments + sep) && (await exists(path))) return `./${path}`;
  }
  return undefined;
};

/** Names of the package's experiments, without `paper/` and `demo/`. */
const knownNames = async (): Promise<string[]> => {
  const found = await Promise.all(
    folders.map((folder) => readdir(join(packagedExperiments, folder)).catch(() => [])),
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

/** Where experiments/build.mjs puts what it compiles, beside this folder; nothing is there when the source is run. */
const compiledFolder = fileURLToPath(new URL('../packaged/', import.meta.url));

/** The compiled form of one of the package's experiments; undefined where there is none, or a source has changed since. */
const compiledOf = async (path: string): Promise<string | undefined> => {
  const name = relative(packagedExperiments, path);
  if (name.startsWith('..') || isAbsolute(name)) return undefined;
  const compiled = join(compiledFolder, name.replace(/\.ts$/, '.js'));
  try {
    const [head] = (await readFile(compiled, 'utf8')).split('\n', 1);
    for (const [source, digest] of Object.entries(JSON.parse(head.slice('// '.length))))
      if ((await fileDigest(join(packagedExperiments, source))) !== digest) return undefined;
    return compiled;
  } catch {
    return undefined;
  }
};

const execute = async (path: string): Promise<unknown> => {
  const compiled = await compiledOf(path);
  if (compiled !== undefined) return (await import(pathToFileURL(compiled).href)).default;
  // here, as most runs are spared it
  const { createJiti } = await import('jiti');
  const jiti = createJiti(import.meta.url, {
    virtualModules: { bandalign: { ...authoring } },
    fsCache: false,
  });
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
  return { path, value: await execute(path) };
};

/**
 * Runs a file that defines models, penalties or metrics: what `--model FILE` names.
 *
 * @throws Fault where there is no such file, it does not run, or it defines neither model nor metric
 */
export const loadDefinitions = async (file: string): Promise<void> => {
  const path = resolve(file);
  if (!(await exists(path))) throw new Fault(`--model: ${file}; no such file`);
  await execute(path);
  const isEmpty =
    models.list().every(({ kind }) => models.isBuiltIn(kind)) &&
    metrics().every(({ name }) => isBuiltInMetric(name));
  if (isEmpty)
    throw new Fault(`--model: ${file}; it defines no model and no metric, call defineModel({…}) in it`);
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
