import { dirname, resolve } from 'node:path';
import { Fault } from '../fault.js';
import { ignoreProgress, type OnProgress } from '../progress.js';
import { type CellFailure, failureOf, mayFail, showFailure, strayError, whyFailed } from './cell-failure.js';
import { type Cell, cellTags, checkWritable, type Notebook, writeNotebook } from './document.js';
import { keeperOf } from './keeper.js';
import { startKernel } from './kernel-client.js';
import { collectOutputs } from './output-collector.js';
import { injectParameters } from './parameters.js';
import { readNotebook, withoutOutputs } from './read-notebook.js';
import { runCell } from './run-cell.js';
import type { Fields } from './wire.js';

export interface RunOptions {
  /** Where the executed notebook goes, after each cell (large ones less often, see {@link keeperOf}); nowhere by default. */
  out?: string;
  /** Values for the variables of the cell tagged `parameters`. */
  parameters?: ReadonlyMap<string, string>;
  /** Seconds that one cell may take (default: no limit). */
  cellTimeout?: number;
  /** Where that limit comes from, for the message of a cell that outlived it. */
  cellTimeoutNote?: string;
  /** Seconds that the whole notebook may take, kernel start included (default: no limit). */
  timeout?: number;
  /** Environment of the kernel beside ours. */
  env?: Record<string, string>;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

export interface RunResult {
  notebook: string;
  out?: string;
  /** Code cells that ran to their end. */
  cells: number;
  /** Seconds: in all, and until the kernel was ready to run cells. */
  seconds: number;
  kernelSeconds: number;
  failure?: CellFailure;
}

/** The kernelspec an executed copy names, and the language as the kernel tells it without versions of the machine. */
const kernelMetadata: Fields = {
  kernelspec: { display_name: 'TypeScript (bandalign)', language: 'typescript', name: 'bandalign' },
  language_info: {
    codemirror_mode: { mode: 'typescript', name: 'javascript', typescript: true },
    file_extension: '.ts',
    mimetype: 'text/typescript',
    name: 'typescript',
    pygments_lexer: 'typescript',
  },
};

const checkLanguage = (notebook: Notebook, path: string): void => {
  const { kernelspec, language_info: info } = notebook.metadata as Record<string, Fields | undefined>;
  const language = String(kernelspec?.['language'] ?? info?.['name'] ?? 'typescript').toLowerCase();
  if (language !== 'typescript')
    throw new Fault(`notebook: ${path}: its language is ${language}; bandalign runs TypeScript notebooks`);
};

const runs = (cell: Cell): boolean =>
  cell.cell_type === 'code' && cell.source.trim() !== '' && !cellTags(cell).includes('skip-execution');

/** Puts what Jupyter calls the execution state of a fresh notebook: no outputs, no counts. */
const cleared = (notebook: Notebook): Notebook => ({
  ...notebook,
  metadata: { ...notebook.metadata, ...kernelMetadata },
  cells: notebook.cells.map((cell) => {
    const { execution: _times, ...metadata } = cell.metadata; // JupyterLab's record of times
    return cell.cell_type === 'code' ? { ...cell, metadata, outputs: [], execution_count: null } : cell;
  }),
});

/** A notebook without outputs, which may be many: nothing holds those of its file. */
const freshCopy = async (path: string): Promise<Notebook> => {
  const original = await readNotebook(path, withoutOutputs);
  checkLanguage(original, path);
  return cleared(original);
};

/**
 * Executes a notebook in a fresh kernel and gives back how it went; only a bad call or input throws.
 *
 * The kernel starts in the notebook's folder; relative paths in cells count from the project's root (the nearest folder
 * upward with a package.json), those of imports also from the notebook's folder. The notebook is written to `out` after
 * each cell, whole; a large one less often. The first failing cell ends the run; cells after it keep no outputs. A cell
 * tagged `raises-exception` may fail, one tagged `skip-execution` is left out.
 *
 * How a cell can end, and what its notebook then holds:
 *
 * | cell | ending |
 * |---|---|
 * | prints 200 000 lines | all of them, in order |
 * | prints more than 32 MiB (BANDALIGN_PRINT_LIMIT) | the first 32 MiB and a note of how much was left out; goes on |
 * | shows a display of more than 32 MiB (BANDALIGN_DISPLAY_LIMIT) | a note in its place; goes on |
 * | throws, or its compiler complains | failure: name, message, line of the cell, lines around it |
 * | leaves a rejected promise or throws in a timer while it runs | failure, as if thrown |
 * | such an error after its end | an error output under the cell, and the run fails when that is noticed |
 * | calls process.exit, runs out of memory, is killed | failure `KernelDied` with the reason |
 * | outlives `cellTimeout` or `timeout` | interrupted, even in a loop that never yields; failure `Timeout` |
 * | the run is stopped (`signal`) | interrupted; failure `Stopped` |
 */
export const runNotebook = async (path: string, options: RunOptions = {}): Promise<RunResult> => {
  const { out, parameters = new Map(), onProgress = ignoreProgress, signal } = options;
  const begun = performance.now();
  const seconds = (): number => (performance.now() - begun) / 1000;
  const notebook = injectParameters(await freshCopy(path), parameters, path);
  const { keep, save, end } = keeperOf(async () => {
    if (out !== undefined) await writeNotebook(out, notebook);
  });
  // a place that cannot be written is found out before the work, and what lies there stays until there is more
  if (out !== undefined) await checkWritable(out);
  const kernel = await startKernel({ cwd: dirname(resolve(path)), env: options.env });
  const kernelSeconds = seconds();
  const { receive } = collectOutputs();
  const code = notebook.cells.filter(runs);
  let done = 0;
  let failure: CellFailure | undefined;
  const report = (): void => onProgress({ stage: path, done, total: code.length, unit: 'cells' });
  try {
    report();
    for (const cell of code) {
      const left = (options.timeout ?? Number.POSITIVE_INFINITY) - seconds();
      const own = options.cellTimeout ?? Number.POSITIVE_INFINITY;
      const limits =
        own <= left
          ? { seconds: own, what: `the cell took longer than ${own} s${options.cellTimeoutNote ?? ''}` }
          : { seconds: Math.max(0, left), what: `the notebook took longer than ${options.timeout} s` };
      const ending = await runCell(kernel, cell, receive, limits, signal);
      if ('content' in ending && ending.content)
        cell.execution_count = Number(ending.content['execution_count'] ?? done + 1);
      else cell.execution_count = done + 1;
      const went = whyFailed(ending, cell);
      if (went && !(mayFail(cell) && 'content' in ending && ending.content)) {
        showFailure(cell, went);
        failure = failureOf(notebook, cell, went);
      } else {
        const earlier = code.slice(0, done).find((one) => !mayFail(one) && strayError(one));
        const late = earlier && strayError(earlier);
        if (earlier && late) failure = failureOf(notebook, earlier, late);
      }
      if (failure) {
        await save();
        break;
      }
      done += 1;
      await keep();
      report();
    }
    if (code.length === 0) await save();
  } finally {
    await end().finally(() => kernel.stop());
  }
  return { notebook: path, out, cells: done, seconds: seconds(), kernelSeconds, failure };
};
