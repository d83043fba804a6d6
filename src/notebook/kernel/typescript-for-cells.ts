import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type ts from 'typescript';
import { notebookFolder } from '../notebook-packages.js';
import { packageRequire, packageRoot } from '../package-root.js';
import { quickInfo } from './hover.js';
import { withShorthandProperties } from './shorthand-properties.js';
import type { SourceChanges } from './source-changes.js';
import type { TypeScript } from './typescript-internals.js';

/** Code and the source map that leads from it to what it was made from. */
export interface Mapped {
  code: string;
  map: string;
}

/** What the kernel wants to know of a compilation. */
export interface CompilerListener {
  /** Each cell's final code with its maps, last step first. */
  onEmit: (code: string, maps: string[]) => void;
  /** An imported module without types: its values are `any`. */
  onUntyped: (module: string) => void;
  /** The program that was compiled, each time there is a new one. */
  onProgram: (program: ts.BuilderProgram) => void;
}

const inlineMap = /\n?\/\/# sourceMappingURL=data:application\/json;base64,([A-Za-z0-9+/=]+)\s*$/;

const splitInlineMap = (text: string): Mapped | undefined => {
  const found = inlineMap.exec(text);
  return found
    ? { code: text.slice(0, found.index), map: Buffer.from(found[1], 'base64').toString('utf8') }
    : undefined;
};

/** The first `await` that belongs to no function: of an expression or of `for await`. */
const topLevelAwait = (typescript: TypeScript, file: ts.SourceFile): ts.Node | undefined => {
  const walk = (node: ts.Node): ts.Node | undefined => {
    if (typescript.isFunctionLike(node) || typescript.isClassLike(node)) return undefined;
    if (typescript.isAwaitExpression(node)) return node;
    if (typescript.isForOfStatement(node) && node.awaitModifier) return node.awaitModifier;
    return typescript.forEachChild(node, walk);
  };
  return typescript.forEachChild(file, walk);
};

/** Turns `import(x)` into `__tslab__.import(x, require)`: tslab would make it a `require`, which ESM may refuse. */
const realDynamicImport =
  (typescript: TypeScript): ts.TransformerFactory<ts.SourceFile> =>
  (context) =>
  (file) => {
    const { factory } = typescript;
    const visit = (node: ts.Node): ts.Node => {
      const seen = typescript.visitEachChild(node, visit, context);
      if (
        !typescript.isCallExpression(seen) ||
        seen.expression.kind !== typescript.SyntaxKind.ImportKeyword ||
        seen.arguments.length === 0
      )
        return seen;
      const target = factory.createPropertyAccessExpression(factory.createIdentifier('__tslab__'), 'import');
      return factory.createCallExpression(target, undefined, [
        seen.arguments[0],
        factory.createIdentifier('require'),
      ]);
    };
    return typescript.visitEachChild(file, visit, context);
  };

/** Options of the original that newer TypeScript refuses or that a cell must not have. */
const dropped = ['noImplicitUseStrict', 'disableTopLevelAwait', 'checkJs', 'typeRoots'];

/** `Could not find a declaration file for module '…'`: TS7016. */
const untyped = 7016;

const manifestName = (root: string): unknown => {
  try {
    return (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name?: unknown }).name;
  } catch {
    return undefined;
  }
};

/**
 * The project's own names for its modules: `compilerOptions.paths` of its tsconfig.json, with absolute targets. Its
 * package name is left out: it means the build, as for everyone who installs it.
 */
const projectPaths = (typescript: TypeScript, root: string): ts.MapLike<string[]> => {
  const file = typescript.findConfigFile(root, typescript.sys.fileExists);
  if (file === undefined) return {};
  const host = { ...typescript.sys, onUnRecoverableConfigFileDiagnostic: () => {} };
  const options = typescript.getParsedCommandLineOfConfigFile(file, {}, host)?.options;
  const base = String(options?.baseUrl ?? options?.['pathsBasePath'] ?? dirname(file));
  const own = manifestName(root);
  return Object.fromEntries(
    Object.entries(options?.paths ?? {})
      .filter(([name]) => name !== own)
      .map(([name, targets]) => [name, targets.map((target) => resolve(base, target))]),
  );
};

/** Cells are checked like the project's own sources. */
const cellOptions = (typescript: TypeScript, original: ts.CompilerOptions): ts.CompilerOptions => ({
  ...Object.fromEntries(Object.entries(original).filter(([name]) => !dropped.includes(name))),
  module: typescript.ModuleKind.ESNext,
  moduleResolution: typescript.ModuleResolutionKind.Bundler,
  strict: true,
  inlineSourceMap: true,
  allowJs: true, // a .js module of the project is compiled as a .ts one is, and its types are inferred
  rewriteRelativeImportExtensions: true, // `./lut.ts` is compiled too, to `./lut.js`
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  typeRoots: [
    join(packageRoot, 'node_modules', '@types'),
    join(packageRoot, '..', '@types'),
    join(notebookFolder, 'node_modules', '@types'),
  ],
  types: ['node'],
});

/**
 * Where the types of this package and of what it depends on are, for the names that the project at the working
 * directory cannot find by itself. (A host with a resolver of its own would do as well, but then TypeScript resolves
 * every import of every library anew for each cell.)
 */
const borrowedPaths = (
  typescript: TypeScript,
  options: ts.CompilerOptions,
  root: string,
): ts.MapLike<string[]> => {
  if (root === packageRoot) return {};
  const manifest = packageRequire('./package.json') as Record<string, Record<string, string> | undefined>;
  const names = [
    'bandalign',
    ...Object.keys({ ...manifest['dependencies'], ...manifest['devDependencies'] }),
  ];
  const find = (name: string, folder: string): string | undefined =>
    typescript.resolveModuleName(name, join(folder, '__cell__.ts'), options, typescript.sys).resolvedModule
      ?.resolvedFileName;
  const paths: ts.MapLike<string[]> = {};
  for (const name of names) {
    const found = find(name, root) === undefined ? find(name, packageRoot) : undefined;
    if (found !== undefined) paths[name] = [found];
  }
  return paths;
};

/** Options of every cell of the project at `root`; `original` are those that tslab sets. */
const optionsFor = (
  typescript: TypeScript,
  original: ts.CompilerOptions,
  root: string,
): ts.CompilerOptions => {
  const options = cellOptions(typescript, original);
  return {
    ...options,
    paths: { ...borrowedPaths(typescript, options, root), ...projectPaths(typescript, root) },
  };
};

/** Types of what a cell finds without an import: `prompt`. */
const globalsFile = join(packageRoot, 'jupyter', 'cell-globals.d.ts');

/** Finds the file that `specifier` names in a module at `from`, anew at each call; undefined where there is none. */
export type FindModule = (specifier: string, from: string) => ts.ResolvedModuleFull | undefined;

export interface CellCompiler {
  /** What tslab takes for its own fork of TypeScript. */
  typescript: Record<string, unknown>;
  findModule: FindModule;
}

/**
 * TypeScript as tslab's converter wants it. tslab 1.0.22 was written against its own fork of 5.0.4; this gives it the
 * project's TypeScript plus what the fork had added, with strict options, modern module resolution, the project's `paths`
 * and source maps. A bare import that the notebook's project does not know is looked up from this package.
 */
export const compilerForCells = (
  typescript: TypeScript,
  root: string,
  changes: SourceChanges,
  { onEmit, onUntyped, onProgram }: CompilerListener,
): CellCompiler => {
  let current: ts.CompilerOptions = {};
  const createWatchCompilerHost = (
    roots: string[],
    options: ts.CompilerOptions,
    system: ts.System,
    ...rest: [undefined, ts.DiagnosticReporter, ts.WatchStatusReporter]
  ): ts.WatchCompilerHost<ts.BuilderProgram> => {
    current = optionsFor(typescript, options, root);
    return typescript.createWatchCompilerHost(
      [...roots, globalsFile],
      current,
      changes.withTimers(system),
      ...rest,
    );
  };

  const createWatchProgram = (
    host: ts.WatchCompilerHostOfFilesAndCompilerOptions<ts.BuilderProgram>,
  ): ts.WatchOfFilesAndCompilerOptions<ts.BuilderProgram> => {
    const { afterProgramCreate } = host;
    host.afterProgramCreate = (builder) => {
      onProgram(builder);
      afterProgramCreate?.(withShorthandProperties(typescript, builder));
    };
    return typescript.createWatchProgram(host);
  };

  const transpileModule = (input: string, options: ts.TranspileOptions): ts.TranspileOutput => {
    const first = splitInlineMap(input);
    const output = typescript.transpileModule(first?.code ?? input, {
      ...options,
      compilerOptions: { ...options.compilerOptions, noImplicitUseStrict: undefined, sourceMap: true },
      transformers: { before: [realDynamicImport(typescript)] },
    });
    const outputText = output.outputText.replace(/\n?\/\/# sourceMappingURL=\S+\s*$/, '\n');
    if (first && output.sourceMapText) onEmit(outputText, [output.sourceMapText, first.map]);
    return { ...output, outputText };
  };

  const completionHost = (program: ts.Program): Partial<ts.LanguageServiceHost> => ({
    getCompilationSettings: () => program.getCompilerOptions(),
    getCurrentDirectory: () => program.getCurrentDirectory(),
    useCaseSensitiveFileNames: () => true,
    fileExists: typescript.sys.fileExists,
    readFile: typescript.sys.readFile,
    getScriptFileNames: () => [],
    getScriptVersion: () => '',
    getScriptSnapshot: () => undefined,
    getDefaultLibFileName: typescript.getDefaultLibFilePath,
  });

  /** Complaints about a cell, and about a module that it imports, whose declarations nobody asks for. */
  const complaintsOf = (program: ts.Program, file: ts.SourceFile, isCell: boolean): ts.Diagnostic[] => {
    if (isCell) return [...typescript.getPreEmitDiagnostics(program, file)];
    const syntax = program.getSyntacticDiagnostics(file);
    return /\.[cm]?jsx?$/.test(file.fileName)
      ? [...syntax]
      : [...syntax, ...program.getSemanticDiagnostics(file)];
  };

  const forTslab = {
    ...typescript,
    sys: changes.system,
    createWatchCompilerHost,
    createWatchProgram,
    transpileModule,
    getDefaultTypeRoots: () => [],
    getNullTransformationContext: () => typescript.nullTransformationContext,
    getQuickInfoAtPosition: (
      file: ts.SourceFile,
      checker: ts.TypeChecker,
      _token: unknown,
      position: number,
    ) => quickInfo(typescript, file, checker, position),
    getPreEmitDiagnosticsOfFiles: (program: ts.Program, files: ts.SourceFile[]) => {
      const all = files.flatMap((file, index) => complaintsOf(program, file, index === 0));
      const found = all.filter(({ code }) => code !== untyped);
      for (const { code, messageText } of all)
        if (code === untyped)
          onUntyped(/'([^']+)'/.exec(typescript.flattenDiagnosticMessageText(messageText, ' '))?.[1] ?? '');
      const wait = topLevelAwait(typescript, files[0]);
      // tslab learns of a top-level await from diagnostic 1308 alone
      if (wait)
        found.push({
          file: files[0],
          start: wait.getStart(files[0]),
          length: 5,
          code: 1308,
          category: 1,
          messageText: '',
        });
      return found;
    },
    Completions: {
      ...typescript.Completions,
      getCompletionsAtPositionForTslab: (_host: unknown, program: ts.Program, ...rest: unknown[]) => {
        // log, file, position, preferences, trigger, kind, token, format: then `includeSymbol`
        const withSymbols = [...rest, ...Array<undefined>(8 - rest.length).fill(undefined), true];
        return typescript.Completions.getCompletionsAtPosition(
          completionHost(program),
          program,
          ...withSymbols,
        );
      },
    },
  };
  const findModule: FindModule = (specifier, from) =>
    typescript.resolveModuleName(specifier, from, current, typescript.sys).resolvedModule;
  return { typescript: forTslab, findModule };
};
