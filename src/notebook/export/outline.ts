import { basename } from 'node:path';
import { traceTypes } from '../../figures/static/plotly-scripts.js';
import type { Cell } from '../document.js';
import { readNotebook, withoutOutputs } from '../read-notebook.js';
import { chooseForm, notebookTitle, searchableText, visibleParts } from './cell-parts.js';

/** What a page is to know of its notebook before its first cell is written; outputs are not held. */
export interface Outline {
  title: string;
  /** All cells, without outputs. */
  cells: readonly Cell[];
  /** What can be searched for. */
  text: string;
  /** Has any code cell a count or an output, or is there no code? */
  wasRun: boolean;
  /** Of figures that the page draws: their traces, of which only the types are kept. */
  figures: { data: { type: string }[] }[];
  /** Does the page draw an explorer? */
  explored: boolean;
}

/** A text that does not hold on to a longer one that it was cut from. */
const copyOf = (text: string): string => Buffer.from(text, 'utf16le').toString('utf16le');

/** Reads a notebook for its page or an index of pages. Throws a Fault where it cannot be read. */
export const outlineOf = async (path: string): Promise<Outline> => {
  const texts: string[] = [];
  const figures: Outline['figures'] = [];
  let [explored, code, wasRun] = [false, false, false];
  const { cells } = await readNotebook(path, (cell) => {
    texts.push(copyOf(searchableText({ cells: [cell] })));
    code ||= cell.cell_type === 'code';
    // tools that clean notebooks drop the counts and keep the outputs
    wasRun ||= typeof cell.execution_count === 'number' || (cell.outputs?.length ?? 0) > 0;
    for (const output of visibleParts(cell).outputs) {
      const form = 'data' in output ? chooseForm(output.data) : undefined;
      if (form?.kind === 'figure') figures.push({ data: traceTypes(form.figure).map((type) => ({ type })) });
      explored ||= form?.kind === 'explorer';
    }
    return withoutOutputs(cell);
  });
  return {
    title: notebookTitle(cells, basename(path, '.ipynb')),
    cells,
    text: texts.filter(Boolean).join(' '),
    wasRun: wasRun || !code,
    figures,
    explored,
  };
};
