import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import Module, { builtinModules, createRequire } from 'node:module';
import { dirname, extname, isAbsolute, join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exports as resolveExports } from 'resolve.exports';
import { packageRequire, packageRoot } from '../package-root.js';
import type { Fields } from '../wire.js';

type Load = (request: string, parent: NodeModule | undefined, isMain: boolean) => unknown;
type Resolve = (request: string, parent: NodeModule | undefined, isMain: boolean, options?: object) => string;
const loader = Module as unknown as { _load: Load; _resolveFilename: Resolve };

const isBare = (request: string): boolean =>
  !/^\.{0,2}\//.test(request) && request !== '.' && request !== '..' && !isAbsolute(request);

const isBuiltin = (request: string): boolean =>
  request.startsWith('node:') || builtinModules.includes(request);

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

interface Manifest {
  name: string;
  type?: string;
}

const readManifest = (folder: string): Manifest | undefined => {
  const path = join(folder, 'package.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Manifest) : undefined;
};

/** Where a package that only offers an `import` condition keeps what `request` names. */
const resolveImportCondition = (request: string, from: string): string | undefined => {
  const name = /^(@[^/]+\/)?[^/]+/.exec(request)?.[0] ?? request;
  for (let folder = from; ; folder = dirname(folder)) {
    const home = join(folder, 'node_modules', name);
    const manifest = readManifest(home);
    const found =
      manifest && resolveExports(manifest, `.${request.slice(name.length)}`, { conditions: ['node'] });
    if (found) return join(home, found[0]);
    if (dirname(folder) === folder) return undefined;
  }
};

const isModuleCode = (path: string): boolean => {
  const extension = extname(path);
  if (extension !== '.js') return extension === '.mjs';
  for (let folder = dirname(path); dirname(folder) !== folder; folder = dirname(folder)) {
    const manifest = readManifest(folder);
    if (manifest) return manifest.type === 'module';
  }
  return false;
};

/** A namespace as `require` users expect it: Node does the same when it requires an ES module. */
const interoperable = (namespace: Fields): Fields =>
  'default' in namespace && !('__esModule' in namespace)
    ? Object.defineProperties(
        {},
        {
          ...Object.fromEntries(
            Object.keys(namespace).map((name) => [
              name,
              { enumerable: true, get: (): unknown => namespace[name] },
            ]),
          ),
          __esModule: { value: true },
        },
      )
    : namespace;

/** Loads what the cells of a notebook import. */
export interface CellModules {
  /**
   * Loads the ES modules among `specifiers` with a real import, so that `require` in a cell finds them ready. Files of
   * the project whose content has changed since they were loaded are loaded anew.
   */
  preload: (specifiers: readonly string[]) => Promise<void>;
  /** What `import(specifier)` in a cell means; `require` is the cell's own. */
  importDynamically: (specifier: string, require: NodeJS.Require) => Promise<unknown>;
}

/** Modules of the project that the kernel compiles by itself. */
export interface CompiledModules {
  /** The file that `specifier` means in a module at `from`, where the compiler has compiled it. */
  compiledFile: (specifier: string, from: string) => string | undefined;
  requireSource: (path: string) => unknown;
}

const contentOf = (path: string): string => {
  try {
    return createHash('sha1').update(readFileSync(path)).digest('base64');
  } catch {
    return '';
  }
};

/**
 * Makes `require` in this process serve TypeScript cells of the project at `root`: cells are compiled to CommonJS,
 * yet they may import ES modules, with top-level await too, and packages without a `require` condition; a bare name
 * that the project does not have (`bandalign` itself, danfojs-node) is looked up from this package.
 */
export const prepareModules = (
  root: string,
  { compiledFile, requireSource }: CompiledModules,
): CellModules => {
  const ready = new Map<string, unknown>();
  const { _load: load, _resolveFilename: resolve } = loader;
  const cellPath = join(root, 'src.js');
  const cellRequire = createRequire(cellPath);
  const isLocal = (path: string): boolean =>
    path.startsWith(root + sep) && !path.includes(`${sep}node_modules${sep}`);

  loader._resolveFilename = (request, parent, isMain, options) => {
    try {
      return resolve(request, parent, isMain, options);
    } catch (error) {
      const from = parent?.filename ? dirname(parent.filename) : root;
      if (!isBare(request) || isBuiltin(request)) throw error;
      if (codeOf(error) === 'ERR_PACKAGE_PATH_NOT_EXPORTED') {
        const found = resolveImportCondition(request, from) ?? resolveImportCondition(request, packageRoot);
        if (found) return found;
      }
      if (codeOf(error) === 'MODULE_NOT_FOUND' && !from.includes('node_modules')) {
        try {
          return packageRequire.resolve(request);
        } catch (second) {
          const found =
            codeOf(second) === 'ERR_PACKAGE_PATH_NOT_EXPORTED' &&
            resolveImportCondition(request, packageRoot);
          if (found) return found;
        }
      }
      throw error;
    }
  };

  /** Files of the project that were loaded uncompiled, by a digest of what they held. */
  const loaded = new Map<string, string>();
  let reloads = 0;
  const forget = (path: string): void => {
    loaded.delete(path);
    ready.delete(path);
    delete cellRequire.cache[path];
    for (const module of Object.values(cellRequire.cache))
      if (module && isLocal(module.filename) && module.children.some(({ filename }) => filename === path))
        forget(module.filename);
  };
  const forgetChanged = (): void => {
    for (const [path, content] of [...loaded])
      if (contentOf(path) !== content) {
        reloads += 1;
        forget(path);
      }
  };

  loader._load = (request, parent, isMain) => {
    if (isBuiltin(request)) return load(request, parent, isMain);
    const from = parent?.filename;
    const local = from !== undefined && from !== null && isLocal(from);
    if (ready.size === 0 && !local) return load(request, parent, isMain);
    let path: string | undefined;
    try {
      path = loader._resolveFilename(request, parent, isMain);
    } catch {
      // a name of tsconfig's `paths`, a folder with an index.ts; or nothing, and the original says what is wrong
      const source = local ? compiledFile(request, from) : undefined;
      if (source !== undefined)
        return extname(source) === '.json' ? load(source, parent, isMain) : requireSource(source);
    }
    const found = path === undefined ? undefined : ready.get(path);
    if (found !== undefined) return found;
    if (local && path !== undefined && !isBare(request) && !loaded.has(path))
      loaded.set(path, contentOf(path));
    return load(request, parent, isMain);
  };

  const locate = (specifier: string): string | undefined => {
    try {
      return cellRequire.resolve(specifier);
    } catch {
      return undefined; // a module that the kernel compiles, or nothing: `require` will say so
    }
  };
  const importFile = async (path: string, isOwn: boolean): Promise<Fields> => {
    if (isOwn) loaded.set(path, contentOf(path));
    const url = pathToFileURL(path);
    if (isOwn && reloads > 0) url.search = `reload=${reloads}`; // Node keeps a module for each address
    return (await import(url.href)) as Fields;
  };

  const preload = async (specifiers: readonly string[]): Promise<void> => {
    forgetChanged();
    for (const specifier of specifiers) {
      if (isBuiltin(specifier) || specifier === 'tslab') continue;
      if (compiledFile(specifier, cellPath) !== undefined) continue;
      const path = locate(specifier);
      if (path !== undefined && !ready.has(path) && isModuleCode(path))
        ready.set(path, interoperable(await importFile(path, !isBare(specifier))));
    }
  };

  const importDynamically = async (specifier: string, require: NodeJS.Require): Promise<unknown> => {
    if (isBuiltin(specifier)) return import(specifier);
    if (/^(file|data):/.test(specifier)) return import(specifier);
    const path =
      specifier === 'tslab' || compiledFile(specifier, cellPath) !== undefined
        ? undefined
        : locate(specifier);
    if (path === undefined || extname(path) === '.ts') return require(specifier);
    return extname(path) === '.json' || extname(path) === '.node'
      ? require(path)
      : importFile(path, !isBare(specifier));
  };
  return { preload, importDynamically };
};
