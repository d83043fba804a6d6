import { type Cell, type CellOutput, cellTags, type Notebook } from './document.js';
import { injectedTag } from './parameters.js';
import type { Ending } from './run-cell.js';

/** Where and why a notebook stopped. */
export interface CellFailure {
  /** Place among all cells, from 1. */
  cell: number;
  /** Number in brackets, as Jupyter shows it. */
  executionCount: number | null;
  /** Line of the cell, from 1, where known. */
  line?: number;
  ename: string;
  evalue: string;
  /** The parameter whose value does not fit, when that is what went wrong. */
  parameter?: string;
}

type ErrorOutput = Extract<CellOutput, { output_type: 'error' }>;

/** An error that came from what a cell left behind, not from its own course. */
export const strayError = (cell: Cell): { ename: string; evalue: string } | undefined =>
  cell.outputs?.find((output): output is ErrorOutput => output.output_type === 'error');

/** Why a cell failed; undefined where it did not. */
export const whyFailed = (
  ending: Ending,
  cell: Cell,
): Omit<CellFailure, 'cell' | 'executionCount'> | undefined => {
  if ('timeout' in ending) return { ename: 'Timeout', evalue: ending.timeout };
  if ('aborted' in ending) return { ename: 'Stopped', evalue: 'the run was stopped' };
  if (ending.died !== undefined) return { ename: 'KernelDied', evalue: ending.died };
  const { content } = ending;
  if (content['status'] === 'ok') return strayError(cell);
  const line = (content['bandalign'] as { line?: number } | undefined)?.line;
  return {
    ename: String(content['ename'] ?? 'Error'),
    evalue: String(content['evalue'] ?? content['status']),
    ...(line === undefined ? {} : { line }),
  };
};

/** Makes sure that a failure is to be seen in the notebook, as the last output of its cell. */
export const showFailure = (cell: Cell, { ename, evalue }: { ename: string; evalue: string }): void => {
  const outputs = cell.outputs ?? [];
  const last = outputs.at(-1);
  if (last?.output_type === 'error' && (ename === last.ename || last.ename === 'Interrupted')) outputs.pop();
  const traceback =
    last?.output_type === 'error' && last.ename === ename ? last.traceback : [`${ename}: ${evalue}`];
  outputs.push({ output_type: 'error', ename, evalue, traceback });
};

/** A cell whose failure is expected. */
export const mayFail = (cell: Cell): boolean => cellTags(cell).includes('raises-exception');

/** The parameter that a line of an injected cell sets. */
const parameterAt = (cell: Cell, line: number | undefined): string | undefined =>
  line !== undefined && cellTags(cell).includes(injectedTag)
    ? /^(?:const )?([\p{ID_Continue}$]+)/u.exec(cell.source.split('\n')[line - 1] ?? '')?.[1]
    : undefined;

/** The failure with its place in the notebook. */
export const failureOf = (
  notebook: Notebook,
  cell: Cell,
  { ename, evalue, line }: { ename: string; evalue: string; line?: number },
): CellFailure => {
  const parameter = parameterAt(cell, line);
  return {
    cell: notebook.cells.indexOf(cell) + 1,
    executionCount: cell.execution_count ?? null,
    ename,
    evalue,
    ...(parameter === undefined ? {} : { parameter }),
    ...(line === undefined ? {} : { line }),
  };
};
