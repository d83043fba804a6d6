import { writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { bundleOf } from '../display.js';
import { type MimeBundle, provideKernelOutput } from '../kernel-output.js';
import type { Fields } from '../wire.js';
import { projectRoot } from './beside-notebook.js';
import { describeDiagnostics, describeThrown, interruption } from './cell-error.js';
import { provideInput } from './cell-input.js';
import {
  type CellError,
  channels,
  type EvaluatorEvent,
  type EvaluatorQuestion,
  type EvaluatorRequest,
  lineReader,
} from './evaluator-messages.js';
import { explainIpython } from './ipython-syntax.js';
import { prepareModules } from './module-loading.js';
import { orderedOutput } from './ordered-output.js';
import { type PreparedCell, startTslab } from './tslab.js';
import { slots } from './watchdog.js';

type Cell = Omit<Extract<EvaluatorRequest, { type: 'execute' }>, 'id' | 'type'>;
interface CellEnd {
  error?: CellError;
  expressions?: Fields;
}

const pause = new Int32Array(new SharedArrayBuffer(4));

/** Writes an event before returning: a cell that prints faster than the kernel reads waits, and nothing is lost. */
const send = (event: EvaluatorEvent): void => {
  let rest = Buffer.from(`${JSON.stringify(event)}\n`);
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(channels.events, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
};

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : inspect(value, { colors: false });

/** The process that runs cells. Its parent is the kernel, which speaks to Jupyter and outlives it. */
const evaluate = (): void => {
  const folder = process.cwd();
  const root = projectRoot(folder);
  process.chdir(root);
  // before the compiler is loaded, which takes a second: the kernel may end meanwhile
  const state = new Int32Array(new SharedArrayBuffer(20));
  const watchdog = new Worker(new URL('./watchdog.js', import.meta.url), { workerData: state.buffer });
  watchdog.unref();
  const outputs = orderedOutput(send);
  const capture =
    (name: 'stdout' | 'stderr') =>
    (chunk: string | Uint8Array, encoding?: unknown, done?: unknown): boolean => {
      outputs.write(name, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'));
      const callback = typeof encoding === 'function' ? encoding : done;
      if (typeof callback === 'function') process.nextTick(callback as () => void);
      return true;
    };
  process.stdout.write = capture('stdout') as typeof process.stdout.write;
  process.stderr.write = capture('stderr') as typeof process.stderr.write;

  const input = provideInput(send);
  const runner = startTslab(root, folder, (shown, update) => {
    const { data, metadata, transient } = shown as {
      data: MimeBundle;
      metadata?: Fields;
      transient?: Fields;
    };
    outputs.show(data, { metadata, displayId: transient?.['display_id'] as string | undefined, update });
  });
  const modules = prepareModules(root, runner.modules);
  const tslabGlobal = (globalThis as unknown as { __tslab__: Fields }).__tslab__;
  tslabGlobal['import'] = modules.importDynamically;

  let controller = new AbortController();
  let running: { count: number; stray?: CellError; stop: (error: CellError) => void } | undefined;
  let lastCount = 0;
  let watched = false;
  provideKernelOutput({
    show: outputs.show,
    later: outputs.later,
    signal: () => controller.signal,
    isWatched: () => watched,
  });

  watchdog.on('message', (id: number) => {
    if (Atomics.load(state, slots.cell) !== id) return;
    Atomics.store(state, slots.heard, id);
    controller.abort(new Error('the cell was interrupted'));
    running?.stop(interruption());
    runner.interrupt();
  });
  const onStray = (thrown: unknown): void => {
    const error = describeThrown(thrown, runner.cells, root, lastCount);
    if (!running) {
      send({ type: 'stray-error', error });
      return;
    }
    running.stop(error);
    runner.interrupt();
  };
  process.on('uncaughtException', onStray);
  process.on('unhandledRejection', onStray);
  process.on('exit', (code) => send({ type: 'exit', code }));

  /** Runs what was compiled of `code`, and waits for its last expression. */
  const valueAfter = async (
    cell: PreparedCell,
    code: string,
    count: number,
  ): Promise<{ error: CellError } | { error?: undefined; value: unknown }> => {
    const { ok, diagnostics, thrown, last } = await cell.run();
    if (diagnostics.length > 0) return { error: describeDiagnostics(diagnostics, code) };
    if (!ok) return { error: describeThrown(thrown?.value, runner.cells, root, count) };
    return { value: await last };
  };

  /** What a front end wants to know beside a cell's outputs. */
  const evaluateExpression = async (code: string): Promise<Fields> => {
    const asked = async (): Promise<CellError | Fields> => {
      const ran = await valueAfter(runner.prepare(code, 0), code, 0);
      if (ran.error) return ran.error;
      const { value } = ran;
      return { data: (await bundleOf(value)) ?? { 'text/plain': textOf(value) }, metadata: {} };
    };
    const answer = await asked().catch((thrown: unknown) => describeThrown(thrown, runner.cells, root, 0));
    return { status: 'ename' in answer ? 'error' : 'ok', ...answer };
  };

  /** Runs a cell to its end: the error it ended with, or what was asked beside it. */
  const runCell = async (id: number, { code, count, allowInput, expressions }: Cell): Promise<CellEnd> => {
    const foreign = explainIpython(code);
    if (foreign) return { error: foreign };
    await new Promise(setImmediate); // a compilation that is cut takes its callers with it, but not `execute`
    const cell = runner.prepare(code, count);
    Atomics.store(state, slots.cuttable, 0); // Node's loader, unlike the compiler, is not made anew
    for (const warning of cell.warnings) outputs.write('stderr', `warning: ${warning}\n`);
    await modules.preload(cell.imports);
    if (running?.count !== count) return {}; // interrupted while imports were loaded
    if (Atomics.load(state, slots.unwanted) === id) return { error: interruption() }; // while it was compiled
    Atomics.store(state, slots.cuttable, 1);
    input.begin(allowInput);
    const ran = await valueAfter(cell, code, count);
    if (ran.error) return ran;
    const { value } = ran;
    if (value !== undefined && value !== null) {
      const bundle = bundleOf(value);
      if (bundle === undefined) outputs.result({ 'text/plain': textOf(value) });
      else if (bundle instanceof Promise) await outputs.later(bundle);
      else outputs.result(bundle);
    }
    await outputs.finish();
    // rejections that nobody handles are told apart after the microtasks of this turn
    await new Promise(setImmediate);
    const values: Fields = {};
    for (const [name, expression] of Object.entries(expressions))
      values[name] = await evaluateExpression(expression);
    return { expressions: values };
  };

  const execute = async (id: number, cell: Cell): Promise<CellEnd> => {
    const { count, allowInput } = cell;
    controller = new AbortController();
    lastCount = count;
    watched = allowInput || process.env['BANDALIGN_LIVE_FIGURES'] === '1'; // who can be asked is there
    outputs.begin();
    const stopped = new Promise<CellEnd>((resolve) => {
      running = { count, stop: (error) => resolve({ error }) };
    });
    Atomics.store(state, slots.cell, id);
    Atomics.store(state, slots.cuttable, 1);
    // whatever is thrown on the way, by the compiler, a module or the display of a value, is the cell's error
    const ended = runCell(id, cell).catch((thrown: unknown) => ({
      error: describeThrown(thrown, runner.cells, root, count),
    }));
    let end: CellEnd = {};
    try {
      end = await Promise.race([stopped, ended]);
      return end;
    } finally {
      running = undefined;
      input.end(end.error !== undefined);
      Atomics.store(state, slots.cuttable, 0);
      Atomics.store(state, slots.cell, 0);
      Atomics.store(state, slots.ended, id);
    }
  };

  const answer = (request: EvaluatorQuestion): Fields => {
    if (request.type === 'complete') {
      const { start, end, candidates } = runner.complete(request.code, request.position);
      return { start, end, candidates };
    }
    if (request.type === 'inspect') return { text: runner.inspect(request.code, request.position) };
    return { ...runner.isComplete(request.code) };
  };
  const handle = async (request: EvaluatorRequest): Promise<void> => {
    if (request.type === 'execute') {
      return send({ type: 'executed', id: request.id, ...(await execute(request.id, request)) });
    }
    if (request.type === 'input') return input.receive(request.line);
    let content: Fields = {};
    try {
      content = answer(request);
    } catch {
      // the language service gives up on some half-typed code; that is an empty answer
    }
    send({ type: 'reply', id: request.id, content });
  };

  const requests = new Socket({ fd: channels.requests, readable: true, writable: false });
  requests.on(
    'data',
    lineReader<EvaluatorRequest>((request) => void handle(request)),
  );
  requests.on('end', () => process.exit(0));
  send({ type: 'ready' });
};

evaluate();
