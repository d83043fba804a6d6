import { rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault, reason } from '../fault.js';
import { makeFolder, temporaryName, writeAtomic } from '../files.js';
import type { MimeBundle } from './kernel-output.js';
import type { PrintedText } from './printed-text.js';
import type { Fields } from './wire.js';

/** One output of a code cell, as nbformat 4 has it, with texts joined. */
export type CellOutput =
  | { output_type: 'stream'; name: 'stdout' | 'stderr'; text: string }
  | { output_type: 'display_data'; data: MimeBundle; metadata: Fields }
  | { output_type: 'execute_result'; data: MimeBundle; metadata: Fields; execution_count: number | null }
  | { output_type: 'error'; ename: string; evalue: string; traceback: string[] };

export interface Cell {
  cell_type: 'code' | 'markdown' | 'raw';
  id: string;
  metadata: Fields;
  source: string;
  /** Of code cells. */
  outputs?: CellOutput[];
  execution_count?: number | null;
  attachments?: Fields;
}

export interface Notebook {
  cells: Cell[];
  metadata: Fields;
  nbformat: number;
  nbformat_minor: number;
}

const printed = new WeakMap<CellOutput, PrintedText>();

/** Says in what pieces the text of a stream is to be had: it is then not made as a whole to be written. */
export const keepPrinted = (output: CellOutput, text: PrintedText): void => void printed.set(output, text);

/** What {@link keepPrinted} kept. */
export const printedOf = (output: CellOutput): PrintedText | undefined => printed.get(output);

const isText = (mime: string): boolean =>
  mime.startsWith('text/') || mime === 'image/svg+xml' || mime === 'application/javascript';

const lines = (text: string): string[] => (text === '' ? [] : text.split(/(?<=\n)/));

const writtenBundle = (data: MimeBundle): MimeBundle =>
  Object.fromEntries(
    Object.entries(data).map(([mime, value]) => [
      mime,
      typeof value === 'string' && isText(mime) ? lines(value) : value,
    ]),
  );

/** A copy with the keys of every object in order, as Python's nbformat writes them. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]));
};

const indented = (value: unknown, depth: number): string =>
  JSON.stringify(sorted(value), null, 1).replaceAll('\n', `\n${' '.repeat(depth)}`);

const depthOfOutputs = 4;

function* outputPieces(output: CellOutput): Generator<string> {
  if (output.output_type !== 'stream') {
    const written = 'data' in output ? { ...output, data: writtenBundle(output.data) } : output;
    yield indented(written, depthOfOutputs);
    return;
  }
  const { name, output_type } = output;
  const [before, after] = indented({ name, output_type, text: [] }, depthOfOutputs).split(/(?<=\[)(?=\]\n)/);
  const margin = `\n${' '.repeat(depthOfOutputs + 1)}`;
  yield before;
  let between = '';
  for (const piece of printedOf(output)?.pieces() ?? [output.text]) {
    const items = lines(piece).map((line) => `${margin} ${JSON.stringify(line)}`);
    if (items.length === 0) continue;
    yield between + items.join(',');
    between = ',';
  }
  yield (between === '' ? '' : margin) + after;
}

/** A cell's text; that of its outputs, which may be large, is made as it is taken. */
function* cellPieces(cell: Cell): Generator<string> {
  const { outputs = [], ...rest } = cell;
  const text = indented({ ...rest, source: lines(cell.source), ...(cell.outputs && { outputs: [] }) }, 2);
  if (outputs.length === 0) {
    yield text;
    return;
  }
  // a line's end within a value is escaped: this is the cell's own list
  const at = text.indexOf('\n   "outputs": []') + '\n   "outputs": ['.length;
  yield text.slice(0, at);
  const margin = `\n${' '.repeat(depthOfOutputs)}`;
  for (const [index, output] of outputs.entries()) {
    yield `${index > 0 ? ',' : ''}${margin}`;
    yield* outputPieces(output);
  }
  yield `\n   ${text.slice(at)}`;
}

/**
 * The text of an .ipynb file, laid out as Jupyter lays it out: a diff shows what has changed and nothing else. In pieces, so
 * that a notebook of many outputs is not in memory twice.
 */
export function* notebookPieces({ cells, ...rest }: Notebook): Generator<string> {
  yield '{\n "cells": [';
  for (const [index, cell] of cells.entries()) {
    yield `${index > 0 ? ',' : ''}\n  `;
    yield* cellPieces(cell);
  }
  // the others' names come after `cells`
  yield `${cells.length > 0 ? '\n ' : ''}],${indented(rest, 0).slice(1)}\n`;
}

/** {@link notebookPieces} in one. */
export const notebookText = (notebook: Notebook): string => [...notebookPieces(notebook)].join('');

const notWritable = (path: string, error: unknown): Fault => {
  const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
  return new Fault(`notebook: ${path}: ${reason(error)}; name a place that can be written`, full ? 1 : 2);
};

/** Throws a Fault where `path` cannot be written; leaves what is there as it is. */
export const checkWritable = async (path: string): Promise<void> => {
  if (path === '/dev/null') return;
  try {
    await makeFolder(dirname(path));
    if (
      await stat(path).then(
        (found) => found.isDirectory(),
        () => false,
      )
    )
      throw new Error('it is a folder');
    const probe = temporaryName(path);
    await writeFile(probe, '', { flag: 'wx' });
    await rm(probe);
  } catch (error) {
    throw notWritable(path, error);
  }
};

/** Writes a notebook whole or not at all; `/dev/null` swallows it. Throws a Fault where it cannot be written. */
export const writeNotebook = async (path: string, notebook: Notebook): Promise<void> => {
  if (path === '/dev/null') return;
  try {
    await writeAtomic(path, notebookPieces(notebook));
  } catch (error) {
    throw notWritable(path, error);
  }
};

export const cellTags = (cell: Cell): readonly string[] => {
  const tags = cell.metadata['tags'];
  return Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === 'string') : [];
};
