import Module, { createRequire } from 'node:module';
import vm from 'node:vm';
import { packageRequire } from '../package-root.js';
import { importsBeside } from './beside-notebook.js';
import { type CompiledCell, cellFile, type Diagnostic } from './cell-error.js';
import { typescriptForCells } from './typescript-for-cells.js';
import type { TypeScript } from './typescript-internals.js';

/** The parts of tslab 1.0.22 that this kernel uses: its converter and its executor. */
interface ConvertResult {
  output?: string;
  declOutput?: string;
  diagnostics: Diagnostic[];
}
interface Converter {
  convert: (declarations: string, source: string) => ConvertResult;
  addModule: (name: string, content: string, metadata?: object) => Diagnostic[];
  close: () => void;
}
interface Executor {
  execute: (source: string) => Promise<boolean>;
  inspect: (source: string, position: number) => { displayParts?: unknown } | undefined;
  complete: (source: string, position: number) => { start: number; end: number; candidates: string[] };
  interrupt: () => void;
}
interface TslabModules {
  converter: {
    createConverter: (options: object) => Converter;
    isCompleteCode: (code: string) => { completed: boolean; indent?: string };
  };
  executor: {
    createExecutor: (
      root: string,
      converters: { node: Converter; browser: Converter; close: () => void },
      console: { log: (value: unknown) => void; error: (...values: unknown[]) => void },
    ) => Executor;
  };
  inspect: { printQuickInfo: (info: object) => string };
  jupyter: { lastWriteDisplayData: unknown };
}

/** Puts `exports` where `require(id)` of `from` will find it. */
const provide = (from: NodeJS.Require, id: string, exports: unknown): void => {
  const path = from.resolve(id);
  const module = new Module(path);
  module.filename = path;
  module.loaded = true;
  module.exports = exports;
  from.cache[path] = module;
};

/** What running a cell came to. `thrown` is boxed, as anything can be thrown. */
export interface CellOutcome {
  ok: boolean;
  diagnostics: Diagnostic[];
  thrown?: { value: unknown };
  last?: unknown;
}

export interface CellRunner {
  /** Compiles the cell; `run` then runs it. Imports are to be loaded in between. */
  prepare: (source: string, count: number) => { imports: string[]; run: () => Promise<CellOutcome> };
  interrupt: () => void;
  inspect: (source: string, position: number) => string | undefined;
  complete: (source: string, position: number) => { start: number; end: number; candidates: string[] };
  isComplete: (source: string) => { completed: boolean; indent?: string };
  /** Compiled cells by count, for the reading of stacks. */
  cells: ReadonlyMap<number, CompiledCell>;
}

const browserCell: Diagnostic = {
  start: { line: 0, character: 0 },
  end: { line: 0, character: 1 },
  messageText: 'cells for a browser (@browser) do not run in this kernel',
  code: 0,
};

/** tslab's converter and executor for a notebook in `folder` of the project at `root`, with the project's TypeScript. */
export const startTslab = (
  root: string,
  folder: string,
  onDisplay: (data: unknown, update: boolean) => void,
): CellRunner => {
  const cells = new Map<number, CompiledCell>();
  const mapsByCode = new Map<string, string[]>();
  const typescript = packageRequire('typescript') as TypeScript;
  const fromTslab = createRequire(packageRequire.resolve('tslab/package.json'));
  provide(
    fromTslab,
    '@tslab/typescript-for-tslab',
    typescriptForCells(typescript, (code, maps) => mapsByCode.set(code, maps)),
  );
  const load = <Name extends keyof TslabModules>(name: Name): TslabModules[Name] =>
    packageRequire(`tslab/dist/${name}.js`) as TslabModules[Name];
  load('jupyter').lastWriteDisplayData = onDisplay;

  const real = load('converter').createConverter({ isJS: false, isBrowser: false });
  let declarations = '';
  let converted: ConvertResult | undefined;
  let outcome: CellOutcome = { ok: true, diagnostics: [] };
  const converter: Converter = {
    ...real,
    convert: (previous, source) => converted ?? real.convert(previous, source),
    addModule: (name, content, metadata) => {
      const found = real.addModule(name, content, metadata);
      outcome.diagnostics.push(...found);
      return [];
    },
  };
  const browser: Converter = {
    ...real,
    addModule: () => {
      outcome.diagnostics.push(browserCell);
      return [];
    },
  };
  const executor = load('executor').createExecutor(
    root,
    { node: converter, browser, close: real.close },
    {
      log: (value) => {
        outcome.last = value;
      },
      // tslab passes a thrown value alone, and a diagnostic as a format with its parts
      error: (...values) => {
        if (values.length === 1) outcome.thrown = { value: values[0] };
      },
    },
  );

  // a name for each cell's code: frames of a stack then say which cell they are of; and no `breakOnSigint`, as the
  // watchdog interrupts
  const runInThisContext = vm.runInThisContext;
  let runningFile = cellFile(0);
  vm.runInThisContext = (code, options) =>
    /^\((async )?function\(exports, require\) \{ /.test(code) && typeof options === 'object'
      ? runInThisContext(code, { filename: runningFile })
      : runInThisContext(code, options);

  const importsOf = (code: string): string[] =>
    typescript.preProcessFile(code, true, true).importedFiles.map(({ fileName }) => fileName);

  const fromRoot = importsBeside(typescript, root, folder);
  const prepare: CellRunner['prepare'] = (written, count) => {
    const source = fromRoot(written);
    const result = real.convert(declarations, source);
    const output = result.output ?? '';
    cells.set(count, { source: written, maps: mapsByCode.get(output) ?? [] });
    mapsByCode.clear();
    const run = async (): Promise<CellOutcome> => {
      outcome = { ok: true, diagnostics: [...result.diagnostics] };
      const current = outcome;
      converted = result;
      runningFile = cellFile(count);
      const finished = executor.execute(source);
      converted = undefined;
      const ok = await finished;
      if (ok && result.diagnostics.length === 0) declarations = result.declOutput ?? '';
      if (/@browser\b/.test(source) && /^\s*\/\*\*/.test(source) && current.diagnostics.length === 0)
        current.diagnostics.push(browserCell);
      current.ok = ok && current.diagnostics.length === 0;
      return current;
    };
    return { imports: result.diagnostics.length > 0 ? [] : importsOf(output), run };
  };

  return {
    prepare,
    cells,
    interrupt: executor.interrupt,
    inspect: (source, position) => {
      const info = executor.inspect(source, position);
      return info && load('inspect').printQuickInfo(info);
    },
    complete: executor.complete,
    isComplete: load('converter').isCompleteCode,
  };
};
