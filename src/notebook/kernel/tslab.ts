import Module, { createRequire } from 'node:module';
import { relative, sep } from 'node:path';
import vm from 'node:vm';
import type ts from 'typescript';
import { reason } from '../../fault.js';
import { requireForNotebooks, resolveForNotebooks } from '../notebook-packages.js';
import { importsBeside } from './beside-notebook.js';
import { type CompiledCell, cellFile, type Diagnostic } from './cell-error.js';
import type { CompiledModules } from './module-loading.js';
import { sourceChanges } from './source-changes.js';
import { compilerForCells } from './typescript-for-cells.js';
import type { TypeScript } from './typescript-internals.js';

/** The parts of tslab 1.0.22 that this kernel uses: its converter and its executor. */
interface ConvertResult {
  output?: string;
  declOutput?: string;
  diagnostics: Diagnostic[];
  /** Compiled modules of the project that the cell imports. */
  sideOutputs?: object[];
}
/** What could stand at a place of a cell; `original` has what the compiler knows of each candidate. */
interface Completed {
  start: number;
  end: number;
  candidates: string[];
  original?: { entries: { name: string; kind: string; symbol?: ts.Symbol }[] };
}
interface Converter {
  convert: (declarations: string, source: string) => ConvertResult;
  addModule: (name: string, content: string, metadata?: object) => Diagnostic[];
  inspect: (declarations: string, source: string, position: number) => { displayParts?: unknown } | undefined;
  complete: (declarations: string, source: string, position: number) => Completed;
  close: () => void;
}
interface Executor {
  execute: (source: string) => Promise<boolean>;
  inspect: (source: string, position: number) => { displayParts?: unknown } | undefined;
  complete: (source: string, position: number) => Completed;
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

/** A name that completes what is being written, what it is (`function`, `const`) and, of the first ones, its type. */
export interface Candidate {
  name: string;
  kind: string;
  type?: string;
}

export interface CellRunner {
  /** Compiles the cell; `run` then runs it. Imports are to be loaded in between. */
  prepare: (source: string, count: number) => PreparedCell;
  interrupt: () => void;
  inspect: (source: string, position: number) => string | undefined;
  complete: (source: string, position: number) => { start: number; end: number; candidates: Candidate[] };
  /** `valid` is false where no more text would make it a cell. */
  isComplete: (source: string) => { completed: boolean; valid: boolean; indent?: string };
  /** Compiled cells by count, for the reading of stacks. */
  cells: ReadonlyMap<number, CompiledCell>;
  modules: CompiledModules;
}

export interface PreparedCell {
  imports: string[];
  /** What the reader should know before the cell's own output: modules without types. */
  warnings: string[];
  run: () => Promise<CellOutcome>;
}

const complaint = (messageText: string): Diagnostic => ({
  start: { line: 0, character: 0 },
  end: { line: 0, character: 0 },
  messageText,
  code: 0,
});

const browserCell = complaint('cells for a browser (@browser) do not run in this kernel');

/** A module was not found, or has no types, when the compiler last looked. */
const missing = new Set([2307, 2792, 2882, 7016]);

/** Candidates of a completion whose types are told: an editor shows no more at once. */
const mostTypes = 100;

/** Cells whose text is kept, so that stacks through them can be read. */
const mostCells = 2000;

/**
 * tslab's converter and executor for a notebook in `folder` of the project at `root`, with the project's TypeScript. What
 * a compilation leaves behind when it throws or is cut never reaches the next one: the converter is then made anew, and
 * variables, which the executor holds, stay.
 */
export const startTslab = (
  root: string,
  folder: string,
  onDisplay: (data: unknown, update: boolean) => void,
): CellRunner => {
  const cells = new Map<number, CompiledCell>();
  const mapsByCode = new Map<string, string[]>();
  const typescript = requireForNotebooks<TypeScript>('typescript');
  const fromTslab = createRequire(resolveForNotebooks('tslab/package.json'));
  const changes = sourceChanges(typescript);
  const told = new Set<string>();
  let untyped: string[] = [];
  let program: ts.BuilderProgram | undefined;
  const { typescript: forTslab, findModule } = compilerForCells(typescript, root, changes, {
    onEmit: (code, maps) => mapsByCode.set(code, maps),
    onUntyped: (module) => untyped.push(module),
    onProgram: (latest) => {
      program = latest;
    },
  });
  provide(fromTslab, '@tslab/typescript-for-tslab', forTslab);
  const load = <Name extends keyof TslabModules>(name: Name): TslabModules[Name] =>
    requireForNotebooks<TslabModules[Name]>(`tslab/dist/${name}.js`);
  load('jupyter').lastWriteDisplayData = onDisplay;

  const newConverter = (): Converter => load('converter').createConverter({ isJS: false, isBrowser: false });
  let real = newConverter();
  let compiling = false;
  /** Runs `work` on a converter that no earlier compilation has left in pieces; a second try on a fresh one. */
  const withConverter = <T>(work: () => T): T => {
    if (compiling) renew();
    compiling = true;
    let result: T;
    try {
      result = work();
    } catch {
      renew();
      compiling = true;
      result = work();
    }
    compiling = false;
    return result;
  };
  const renew = (): void => {
    try {
      real.close();
    } catch {
      // it is in pieces
    }
    real = newConverter();
    compiling = false;
  };

  let declarations = '';
  let converted: ConvertResult | undefined;
  let outcome: CellOutcome = { ok: true, diagnostics: [] };
  const converter: Converter = {
    convert: (previous, source) => converted ?? withConverter(() => real.convert(previous, source)),
    addModule: (name, content, metadata) => {
      outcome.diagnostics.push(...withConverter(() => real.addModule(name, content, metadata)));
      return [];
    },
    inspect: (previous, source, position) => withConverter(() => real.inspect(previous, source, position)),
    complete: (previous, source, position) => withConverter(() => real.complete(previous, source, position)),
    close: () => real.close(),
  };
  const browser: Converter = {
    ...converter,
    addModule: () => {
      outcome.diagnostics.push(browserCell);
      return [];
    },
  };
  const executor = load('executor').createExecutor(
    root,
    { node: converter, browser, close: converter.close },
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
  // watchdog interrupts. A function, as Node 20 keeps every vm.Script for ever (1.3 KB of each cell)
  const runInThisContext = vm.runInThisContext;
  let runningFile = cellFile(0);
  const runCode = (code: string): unknown =>
    vm.compileFunction(`return ${code}`, [], { filename: runningFile, columnOffset: -'return '.length })();
  vm.runInThisContext = (code, options) =>
    /^\((async )?function\(exports, require\) \{ /.test(code) && typeof options === 'object'
      ? runCode(code)
      : runInThisContext(code, options);

  const importsOf = (code: string): string[] =>
    typescript.preProcessFile(code, true, true).importedFiles.map(({ fileName }) => fileName);

  /** Was a module missing, or untyped, that is there by now: a package installed since, a file just written? */
  const foundSince = (diagnostics: readonly Diagnostic[]): boolean =>
    [...diagnostics.filter(({ code }) => missing.has(code)), ...untyped.map((name) => complaint(`'${name}'`))]
      .map(({ messageText, fileName }) => ({
        name: /'([^']+)'/.exec(messageText)?.[1] ?? '',
        from: `${root}/${fileName ?? '__cell__.ts'}`,
      }))
      .some(({ name, from }) => {
        const found = findModule(name, from);
        return (
          found !== undefined && (!untyped.includes(name) || /^\.(d\.)?[cm]?tsx?$/.test(found.extension))
        );
      });

  const convert = (source: string): ConvertResult => {
    const attempt = (): ConvertResult => {
      untyped = [];
      return withConverter(() => {
        changes.report((path) => {
          const file = program?.getSourceFile(path);
          return file && program ? program.getAllDependencies(file) : [];
        });
        return real.convert(declarations, source);
      });
    };
    try {
      let result = attempt();
      if (changes.overdue()) {
        const { sideOutputs: earlier = [] } = result;
        result = attempt();
        result.sideOutputs = [...earlier, ...(result.sideOutputs ?? [])];
      }
      for (const forgetMissing of [changes.lookAgain, renew]) {
        if (!foundSince(result.diagnostics)) break;
        forgetMissing();
        result = attempt();
      }
      return result;
    } catch (error) {
      renew();
      return { diagnostics: [complaint(`the compiler failed: ${reason(error)}`)] };
    }
  };

  const fromRoot = importsBeside(typescript, root, folder);
  const loader = fromTslab.cache[fromTslab.resolve('tslab/dist/executor.js')];
  const ownImports = loader?.children.length ?? 0;
  /** tslab would keep every earlier state of a module that was loaded anew, and something of every cell that awaits. */
  const forgetRun = (): void => {
    loader?.children.splice(ownImports);
    executor.interrupt(); // nothing runs: what waits for an interrupt is let go
  };
  const execute = async (source: string, result: ConvertResult): Promise<boolean> => {
    converted = result;
    const finished = executor.execute(source);
    converted = undefined;
    return finished;
  };
  const prepare: CellRunner['prepare'] = (written, count) => {
    const source = fromRoot(written);
    const result = convert(source);
    const output = result.output ?? '';
    cells.set(count, { source: written, maps: mapsByCode.get(output) ?? [] });
    if (cells.size > mostCells) cells.delete([...cells.keys()][0]);
    mapsByCode.clear();
    // the executor gets modules whatever becomes of the cell: the converter gives each of them once
    if (result.sideOutputs?.length)
      void execute(source, { sideOutputs: result.sideOutputs, diagnostics: [complaint('')] });
    const run = async (): Promise<CellOutcome> => {
      outcome = { ok: true, diagnostics: [...result.diagnostics] };
      const current = outcome;
      runningFile = cellFile(count);
      const ok = await execute(source, { ...result, sideOutputs: undefined });
      forgetRun();
      if (ok && result.diagnostics.length === 0) declarations = result.declOutput ?? '';
      if (/@browser\b/.test(source) && /^\s*\/\*\*/.test(source) && current.diagnostics.length === 0)
        current.diagnostics.push(browserCell);
      current.ok = ok && current.diagnostics.length === 0;
      return current;
    };
    const fresh = [...new Set(untyped)].filter((name) => !told.has(name));
    for (const name of fresh) told.add(name);
    return {
      imports: result.diagnostics.length > 0 ? [] : importsOf(output),
      warnings: fresh.map(
        (name) => `${name}: no types; its values are any (npm install --save-dev @types/…)`,
      ),
      run,
    };
  };

  const complete: CellRunner['complete'] = (source, position) => {
    const { start, end, candidates, original } = executor.complete(source, position);
    const entries = new Map((original?.entries ?? []).map((entry) => [entry.name, entry]));
    const checker = program?.getProgram().getTypeChecker();
    return {
      start,
      end,
      candidates: candidates.map((name, index) => {
        const { kind = '', symbol } = entries.get(name) ?? {};
        const type =
          symbol && checker && index < mostTypes
            ? checker.typeToString(checker.getTypeOfSymbol(symbol))
            : undefined;
        return { name, kind, ...(type === undefined || type === 'any' ? {} : { type }) };
      }),
    };
  };
  const own = runInThisContext('__tslab__') as { require: NodeJS.Require };
  return {
    prepare,
    cells,
    interrupt: executor.interrupt,
    inspect: (source, position) => {
      const info = executor.inspect(source, position);
      return info && load('inspect').printQuickInfo(info);
    },
    complete,
    isComplete: (source) => {
      const { completed, indent } = load('converter').isCompleteCode(source);
      const faults = typescript.transpileModule(source, { reportDiagnostics: true }).diagnostics ?? [];
      return { completed, valid: !completed || faults.length === 0, indent };
    },
    modules: {
      compiledFile: (specifier, from) => {
        const path = findModule(specifier, from)?.resolvedFileName;
        const file = path === undefined ? undefined : program?.getSourceFile(path);
        return file && !file.isDeclarationFile && !file.fileName.includes('/node_modules/')
          ? path
          : undefined;
      },
      requireSource: (path) =>
        own.require(`./${relative(root, path).split(sep).join('/')}`.replace(/\.[jt]sx?$/, '.js')),
    },
  };
};
