import { inspect } from 'node:util';
import { figureTitle, isPlotlyFigure } from '../figures/static/plain-figure.js';
import {
  dataFrameBundle,
  isDataFrame,
  isRecords,
  isTable,
  recordsBundle,
  tableBundle,
} from './data-table.js';
import { figureBundle } from './figure-bundle.js';
import { kernelOutput, type MimeBundle } from './kernel-output.js';
import { isRunCard, runBundle } from './run-card.js';

/** Something that knows how it is shown in a notebook. */
export interface Displayable {
  toMimeBundle: () => MimeBundle | Promise<MimeBundle>;
}

const isDisplayable = (value: unknown): value is Displayable =>
  typeof value === 'object' &&
  value !== null &&
  typeof (value as { toMimeBundle?: unknown }).toMimeBundle === 'function';

/** The forms in which a notebook shows `value`; undefined where it has none but its text. */
export const bundleOf = (value: unknown): MimeBundle | Promise<MimeBundle> | undefined => {
  if (isDisplayable(value)) return value.toMimeBundle();
  if (isRunCard(value)) return runBundle(value);
  if (isTable(value)) return tableBundle(value);
  if (isDataFrame(value)) return dataFrameBundle(value);
  if (isPlotlyFigure(value)) return figureBundle(value);
  return undefined;
};

const textOf = (value: unknown): string =>
  typeof value === 'string' ? value : inspect(value, { colors: false });

/** Text of a terminal: outside a kernel no image of a figure is made. */
const terminalText = async (value: unknown): Promise<string> => {
  if (isPlotlyFigure(value)) return figureTitle(value) ?? 'figure';
  const bundle = isRecords(value) ? recordsBundle(value) : await bundleOf(value);
  return typeof bundle?.['text/plain'] === 'string' ? bundle['text/plain'] : textOf(value);
};

/**
 * Shows `value` in the notebook that runs this code, or prints it where none does.
 *
 * Shown richly: a danfojs DataFrame or Series and plain records (table), a table of the evaluation, a plotly figure
 * (interactive, with a PNG), a {@link RunCard}, and anything with a `toMimeBundle` method; the rest as text. A figure
 * takes its place in the output at once, though its image comes later: awaiting is not needed, the cell waits.
 */
export const display = async (value: unknown): Promise<void> => {
  const kernel = kernelOutput();
  if (!kernel) {
    process.stdout.write(`${await terminalText(value)}\n`);
    return;
  }
  const bundle = isRecords(value) ? recordsBundle(value) : bundleOf(value);
  if (bundle instanceof Promise) await kernel.later(bundle);
  else kernel.show(bundle ?? { 'text/plain': textOf(value) });
};

/** Text to be shown as Markdown: ``display(markdown`...`)`` or `display(markdown(text))`. */
export const markdown = (text: string | TemplateStringsArray, ...values: unknown[]): Displayable => {
  const joined = typeof text === 'string' ? text : String.raw({ raw: text }, ...values);
  return { toMimeBundle: () => ({ 'text/markdown': joined, 'text/plain': joined }) };
};

/**
 * Aborted when the cell that runs is interrupted: to be given to long work (`signal`), so that it ends with its cell.
 * Outside a kernel it never is.
 */
export const cellSignal = (): AbortSignal => kernelOutput()?.signal() ?? new AbortController().signal;
