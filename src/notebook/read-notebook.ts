import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { parse as parseYaml } from 'yaml';
import { Fault, reason } from '../fault.js';
import { digest } from '../files.js';
import type { Cell, Notebook } from './document.js';
import { notebookParser } from './parse-notebook.js';
import type { Fields } from './wire.js';

interface Part {
  kind: Cell['cell_type'];
  source: string;
  metadata?: Fields;
}

const notebookOf = (parts: readonly Part[]): Notebook => ({
  nbformat: 4,
  nbformat_minor: 5,
  metadata: {},
  cells: parts
    .map((part) => ({ ...part, source: part.source.replace(/^\n+|\s+$/g, '') }))
    .filter(({ source }) => source !== '')
    .map(({ kind, source, metadata = {} }, index) => ({
      cell_type: kind,
      id: digest(`${index}\n${source}`).slice(0, 8),
      metadata,
      source,
      ...(kind === 'code' ? { outputs: [], execution_count: null } : {}),
    })),
});

/** A YAML value, or nothing where the text is none: options of a cell are no reason to refuse a notebook. */
const yaml = (text: string): Fields => {
  try {
    const value: unknown = parseYaml(text);
    return typeof value === 'object' && value !== null ? (value as Fields) : {};
  } catch {
    return {};
  }
};

/** The text behind a header of YAML between two lines of dashes. */
const behindHeader = (text: string): string =>
  text.replace(/^(?:\/\/ ?)?---\n[\s\S]*?\n(?:\/\/ ?)?---(?:\n|$)/, '');

/**
 * A `.ts` file in the percent format of Jupytext and VS Code as a notebook: cells begin at `// %%`, with a kind and
 * options behind it (`// %% [markdown]`, `// %% tags=["parameters"]`); what stands before the first is a code cell.
 */
export const parsePercent = (text: string): Notebook => {
  const parts: Part[] = [{ kind: 'code', source: '' }];
  for (const line of behindHeader(text.replace(/\r\n?/g, '\n')).split('\n')) {
    const start = /^\/\/ ?%%+(?!\w)(.*)$/.exec(line)?.[1];
    if (start === undefined) {
      (parts.at(-1) as Part).source += `${line}\n`;
      continue;
    }
    const kind = /\[(markdown|md|raw)\]/.exec(start)?.[1];
    const tags = /\btags\s*=\s*(\[[^\]]*\])/.exec(start)?.[1];
    parts.push({
      kind: kind === 'raw' ? 'raw' : kind === undefined ? 'code' : 'markdown',
      source: '',
      metadata: tags === undefined ? {} : { tags: yaml(`t: ${tags}`)['t'] },
    });
  }
  const plain = (source: string): string =>
    source.replace(/^\s*\/\*\*?\s*\n([\s\S]*?)\*\/\s*$/, '$1').replace(/^\/\/ ?/gm, '');
  return notebookOf(
    parts.map((part) => (part.kind === 'code' ? part : { ...part, source: plain(part.source) })),
  );
};

/**
 * A Quarto document (`.qmd`) as a notebook: blocks fenced as `{typescript}` or `{ts}` are code cells, with their options
 * (`//| tags: [parameters]`, `//| eval: false`, `//| echo: false`); all else is narration.
 */
export const parseQuarto = (text: string): Notebook => {
  const parts: Part[] = [];
  const fence = /^(`{3,})\{\s*(?:typescript|ts|bandalign)\b[^}]*\}[ \t]*\n([\s\S]*?)^\1[ \t]*$/gm;
  const body = behindHeader(text.replace(/\r\n?/g, '\n'));
  let end = 0;
  for (const match of body.matchAll(fence)) {
    parts.push({ kind: 'markdown', source: body.slice(end, match.index) });
    const lines = match[2].split('\n');
    const first = lines.findIndex((line) => !/^\/\/\| ?/.test(line));
    const options = yaml(
      lines
        .slice(0, first)
        .map((line) => line.replace(/^\/\/\| ?/, ''))
        .join('\n'),
    );
    const tags = [options['tags'] ?? []].flat().map(String);
    if (options['label'] === 'parameters' && !tags.includes('parameters')) tags.push('parameters');
    if (options['eval'] === false) tags.push('skip-execution');
    if (options['echo'] === false) tags.push('remove-input');
    parts.push({
      kind: 'code',
      source: lines.slice(first).join('\n'),
      metadata: tags.length > 0 ? { tags } : {},
    });
    end = match.index + match[0].length;
  }
  parts.push({ kind: 'markdown', source: body.slice(end) });
  return notebookOf(parts);
};

/** A cell as it is held where its outputs, which may be large, are of no more use. */
export const withoutOutputs = (cell: Cell): Cell => (cell.outputs ? { ...cell, outputs: [] } : cell);

/**
 * The cells of a notebook, one after the other: `.ipynb`, a `.ts` file in percent format, or a Quarto document (`.qmd`). No
 * more than one with its outputs is in memory. Throws a Fault on others, at the latest after the last cell.
 *
 * @returns the notebook without its outputs
 */
export async function* notebookCells(path: string): AsyncGenerator<Cell, Notebook> {
  const parseText = /\.[cm]?ts$/.test(path) ? parsePercent : path.endsWith('.qmd') ? parseQuarto : null;
  try {
    if (parseText) {
      const notebook = parseText(await readFile(path, 'utf8'));
      yield* notebook.cells;
      return notebook;
    }
    const read: Cell[] = [];
    const parser = notebookParser(path, (cell) => {
      read.push(cell);
      return withoutOutputs(cell);
    });
    for await (const bytes of createReadStream(path, { highWaterMark: 2 ** 20 })) {
      parser.feed(bytes as Buffer);
      for (let cell = read.shift(); cell; cell = read.shift()) yield cell;
    }
    return parser.end();
  } catch (error) {
    throw error instanceof Fault ? error : new Fault(`notebook: ${path}: ${reason(error)}; check the path`);
  }
}

/**
 * Reads a notebook as {@link notebookCells} does.
 * @param keep what is held of a cell; by default all
 */
export const readNotebook = async (
  path: string,
  keep: (cell: Cell) => Cell = (cell) => cell,
): Promise<Notebook> => {
  const cells: Cell[] = [];
  const reading = notebookCells(path);
  for (;;) {
    const next = await reading.next();
    if (next.done) return { ...next.value, cells };
    cells.push(keep(next.value));
  }
};
