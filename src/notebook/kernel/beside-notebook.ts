import { existsSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import type ts from 'typescript';
import type { TypeScript } from './typescript-internals.js';

/**
 * Lets a notebook import files by their place beside it, and packages as Deno spells them (`npm:lodash@4`). Cells are
 * compiled as files in the project's root, so `../src/lut` of a notebook in `notebooks/` would be sought outside the
 * project: a relative import that the root does not have and the notebook's `folder` has is written as one from the root.
 */
export const importsBeside = (
  typescript: TypeScript,
  root: string,
  folder: string,
): ((source: string) => string) => {
  const options: ts.CompilerOptions = {
    moduleResolution: typescript.ModuleResolutionKind.Bundler,
    module: typescript.ModuleKind.ESNext,
    allowImportingTsExtensions: true,
    resolveJsonModule: true,
  };
  const found = (specifier: string, from: string): boolean =>
    typescript.resolveModuleName(specifier, join(from, '__cell__.ts'), options, typescript.sys)
      .resolvedModule !== undefined;
  const fromRoot = (specifier: string): string => {
    const path = relative(root, join(folder, specifier)).split(sep).join('/');
    return path.startsWith('.') ? path : `./${path}`;
  };
  return (source) => {
    let text = source;
    const imports = typescript.preProcessFile(source, true, true).importedFiles;
    for (const { fileName, pos } of imports.toSorted((a, b) => b.pos - a.pos)) {
      const start = pos + 1; // after the quote
      if (!source.startsWith(fileName, start)) continue;
      const [, npmName, subpath = ''] =
        /^npm:\/?((?:@[^/@]+\/)?[^/@]+)(?:@[^/]*)?(\/.*)?$/.exec(fileName) ?? [];
      const beside =
        /^\.\.?(\/|$)/.test(fileName) && folder !== root && !found(fileName, root) && found(fileName, folder);
      const name = npmName ? npmName + subpath : beside ? fromRoot(fileName) : fileName;
      text = text.slice(0, start) + name + text.slice(start + fileName.length);
    }
    return text;
  };
};

/**
 * The folder from which a notebook's cells run: the nearest ancestor of `start` with a package.json, so that
 * `dataset/demo` and `./src/x.js` mean the same in every notebook of a project; `start` itself where there is none.
 */
export const projectRoot = (start: string): string => {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(folder) === folder) return start;
  }
};
