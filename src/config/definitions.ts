import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, isAbsolute, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Fault } from '../fault.js';

/** A file that defined something, as it was then. */
export interface DefinitionFile {
  /** Absolute path. */
  file: string;
  /** SHA-256 of the file's bytes, hexadecimal. */
  digest: string;
}

/** Names that a person may give: lower-case letters, digits and dashes. */
const validName = /^[a-z][a-z0-9-]*$/;

const pathOf = (name: string): string => (name.startsWith('file:') ? fileURLToPath(name) : name);

/** `src` of a checkout, or `dist`: code in it is the package's own. */
const ownFolder = dirname(dirname(fileURLToPath(import.meta.url))) + sep;

/** The callers of this function, nearest first. */
const callers = (): NodeJS.CallSite[] => {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = Number.POSITIVE_INFINITY;
    Error.prepareStackTrace = (_, sites) => sites;
    return new Error().stack as unknown as NodeJS.CallSite[];
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
};

/**
 * The file whose code is calling: that of the nearest caller outside the package itself. Null where that code has no
 * file: a notebook cell, `eval`.
 */
export const definedIn = (): string | null => {
  for (const site of callers()) {
    const name = site.getFileName();
    const path = name === null || name === undefined ? null : pathOf(name);
    if (path?.startsWith(ownFolder)) continue;
    return path !== null && isAbsolute(path) && !site.isEval() ? path : null;
  }
  return null;
};

const readDefinition = (): DefinitionFile | null => {
  const file = definedIn();
  if (file === null) return null;
  try {
    return { file, digest: createHash('sha256').update(readFileSync(file)).digest('hex') };
  } catch {
    // a cell may carry a path that no file has
    return null;
  }
};

/** What the package brings and what a person's files and notebook cells add to it, by name. */
export interface Registry<T> {
  /**
   * Adds a definition and returns it. The same file (or a notebook cell) may define a name again: the later one holds.
   * @throws Fault for a malformed name, one that the package has, and one that another file defined
   */
  define: (definition: T) => T;
  /** Undefined where nothing has this name. */
  get: (name: string) => T | undefined;
  /** The package's own in their order, then the added ones in the order of their first definition. */
  list: () => T[];
  isBuiltIn: (name: string) => boolean;
  /** The file that defined it; null for the package's own and for definitions in notebook cells. */
  origin: (name: string) => DefinitionFile | null;
}

/**
 * A registry for the life of the process.
 *
 * @param what `model`, `metric` or `penalty`, for messages
 * @param key the property that holds a definition's name
 * @param builtIn the package's own definitions
 */
export const registry = <K extends string, T extends Readonly<Record<K, string>>>(
  what: 'model' | 'metric' | 'penalty',
  key: K,
  builtIn: readonly T[],
): Registry<T> => {
  const own = new Map(builtIn.map((definition) => [definition[key] as string, definition]));
  const added = new Map<string, { definition: T; origin: DefinitionFile | null }>();
  return {
    define: (definition) => {
      const name: string = definition[key];
      if (typeof name !== 'string' || !validName.test(name))
        throw new Fault(
          `${what}: ${JSON.stringify(name)}; name it with lower-case letters, digits and dashes, a letter first`,
        );
      if (own.has(name)) throw new Fault(`${what}: ${name}; exists already, choose another name`);
      const origin = readDefinition();
      const earlier = added.get(name);
      if (earlier && earlier.origin?.file !== origin?.file)
        throw new Fault(
          `${what}: ${name}; ${earlier.origin?.file ?? 'a notebook cell'} defines it already, choose another name`,
        );
      added.set(name, { definition, origin });
      return definition;
    },
    get: (name) => own.get(name) ?? added.get(name)?.definition,
    list: () => [...own.values(), ...[...added.values()].map(({ definition }) => definition)],
    isBuiltIn: (name) => own.has(name),
    origin: (name) => added.get(name)?.origin ?? null,
  };
};
