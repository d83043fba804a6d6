import { readFileSync, realpathSync } from 'node:fs';
import { extname, resolve, sep } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import type { PlainFigure } from '../../figures/static/plain-figure.js';
import { explorerMime, isExplorerData } from '../../figures/temporal/explorer.js';
import type { ExplorerData } from '../../figures/temporal/explorer-counts.js';
import { type Cell, type CellOutput, cellTags, type Notebook } from '../document.js';
import type { MimeBundle } from '../kernel-output.js';
import { isFields } from '../wire.js';

/** What of a cell its reader sees; tags as nbconvert and Jupyter Book use them. */
export const visibleParts = (cell: Cell): { source: boolean; folded: boolean; outputs: CellOutput[] } => {
  const tags = cellTags(cell);
  const has = (...names: string[]): boolean => names.some((name) => tags.includes(name));
  const removed = has('remove-cell', 'remove_cell');
  return {
    source: !removed && !has('remove-input', 'remove_input') && cell.source.trim() !== '',
    folded: has('hide-input', 'hide_input', 'hide-cell'),
    outputs: removed || has('remove-output', 'remove_output') ? [] : (cell.outputs ?? []),
  };
};

/** A raw cell as a page shows it: nbconvert's `raw_mimetype` says for which kind of page it was written. */
export const rawForm = (cell: Cell): ChosenForm => {
  const type = cell.metadata['raw_mimetype'] ?? cell.metadata['format'] ?? '';
  if (type === 'text/html') return { kind: 'html', text: cell.source };
  if (type === 'text/markdown') return { kind: 'markdown', text: cell.source };
  return type === '' || type === 'text/plain'
    ? { kind: 'text', text: cell.source }
    : { kind: 'note', text: `raw cell of type ${String(type)}: left out` };
};

/** The one form of a display that a page draws; a note stands for what it cannot draw. */
export type ChosenForm =
  | { kind: 'figure'; figure: PlainFigure; png?: string }
  | { kind: 'explorer'; data: ExplorerData; png?: string }
  | { kind: 'html' | 'markdown' | 'svg' | 'text' | 'latex' | 'note'; text: string }
  | { kind: 'image'; mime: string; base64: string }
  | { kind: 'pdf'; base64: string };

const plotlyMime = 'application/vnd.plotly.v1+json';
const imageMimes = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];

/** Base64 without its line breaks; undefined where it is none, so that nothing else gets into an address. */
const base64Of = (value: unknown): string | undefined => {
  const text = typeof value === 'string' ? value.replace(/\s/g, '') : undefined;
  return text !== undefined && /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? text : undefined;
};

/** Names of types that a page does not draw. */
const named = (mime: string): string => {
  if (/^application\/vnd\.vega(lite)?\./.test(mime)) return 'a Vega-Lite chart (save it with a PNG or SVG)';
  if (mime.startsWith('application/vnd.jupyter.widget')) return 'a widget (needs a running kernel)';
  if (mime === 'application/pdf') return 'a PDF document';
  return mime === 'application/javascript' ? 'a script' : `an output of type ${mime}`;
};

/** Has a figure of a notebook that anyone may have written what a page takes for granted? */
const isFigure = (value: unknown): value is PlainFigure =>
  isFields(value) &&
  Array.isArray(value['data']) &&
  value['data'].every(isFields) &&
  (value['layout'] === undefined || isFields(value['layout']));

/** The richest form of `data`: interactive figure, table, narration, drawing, picture, text; else a note that names it. */
export const chooseForm = (data: MimeBundle): ChosenForm | undefined => {
  const text = (mime: string): string | undefined => {
    const value = data[mime];
    return typeof value === 'string' ? value : undefined;
  };
  const figure = data[plotlyMime];
  if (isFigure(figure)) return { kind: 'figure', figure, png: base64Of(data['image/png']) };
  if (isExplorerData(data[explorerMime]))
    return { kind: 'explorer', data: data[explorerMime], png: base64Of(data['image/png']) };
  for (const [mime, kind] of [
    ['text/html', 'html'],
    ['text/markdown', 'markdown'],
    ['image/svg+xml', 'svg'],
  ] as const) {
    const found = text(mime);
    if (found !== undefined) return { kind, text: found };
  }
  for (const mime of imageMimes) {
    const base64 = base64Of(data[mime]);
    if (base64 !== undefined) return { kind: 'image', mime, base64 };
  }
  const pdf = base64Of(data['application/pdf']);
  if (pdf !== undefined && /^%PDF-\d/.test(Buffer.from(pdf.slice(0, 12), 'base64').toString('latin1')))
    return { kind: 'pdf', base64: pdf };
  const latex = text('text/latex');
  if (latex !== undefined) return { kind: 'latex', text: latex };
  const undrawn = Object.keys(data).find((mime) => mime !== 'text/plain' && mime !== 'application/json');
  const plain = text('text/plain');
  if (plain !== undefined) return { kind: 'text', text: plain };
  if (data['application/json'] !== undefined)
    return { kind: 'text', text: JSON.stringify(data['application/json'], null, 2) };
  return undrawn === undefined ? undefined : { kind: 'note', text: `${named(undrawn)}: not shown here` };
};

const imageTypes: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
};

/** An image of a page: its type and its bytes. */
export interface EmbeddedImage {
  mime: string;
  base64: string;
}

/**
 * The image that a Markdown cell shows by `source`: one of its attachments, or a file in the notebook's `folder` or
 * below, links out of it not followed; undefined where there is none.
 */
export const embeddedImage = (cell: Cell, folder: string, source: string): EmbeddedImage | undefined => {
  try {
    if (source.startsWith('data:')) {
      const [, mime = '', data] = /^data:([a-z+/]+);base64,(.*)$/s.exec(source) ?? [];
      const base64 = Object.values(imageTypes).includes(mime) ? base64Of(data) : undefined;
      return base64 === undefined ? undefined : { mime, base64 };
    }
    const name = decodeURIComponent(source.replace(/^attachment:/, ''));
    if (source.startsWith('attachment:')) {
      const forms = (cell.attachments?.[name] ?? {}) as Record<string, unknown>;
      const mime = Object.values(imageTypes).find((type) => forms[type] !== undefined);
      const base64 = mime === undefined ? undefined : base64Of([forms[mime]].flat().join(''));
      return mime === undefined || base64 === undefined ? undefined : { mime, base64 };
    }
    const mime = imageTypes[extname(name).toLowerCase()];
    if (mime === undefined || /^[a-z][a-z\d+.-]*:/i.test(source)) return undefined;
    const [home, path] = [realpathSync(folder), realpathSync(resolve(folder, name))];
    if (!path.startsWith(home.endsWith(sep) ? home : home + sep)) return undefined;
    return { mime, base64: readFileSync(path).toString('base64') };
  } catch {
    return undefined; // not there, or its address is none
  }
};

/** The first heading of a notebook, or its file's name. */
export const notebookTitle = (cells: readonly Cell[], fallback: string): string => {
  for (const { cell_type, source } of cells) {
    const heading = cell_type === 'markdown' ? /^#\s+(.+)$/m.exec(source)?.[1] : undefined;
    if (heading !== undefined) return heading.replace(/[*_`$]/g, '').trim();
  }
  return fallback;
};

/** What of cells can be searched for: narration, code that is shown, printed text. */
export const searchableText = ({ cells }: Pick<Notebook, 'cells'>): string =>
  cells
    .filter((cell) => !cellTags(cell).some((tag) => /^remove[-_]cell$/.test(tag)))
    .flatMap((cell) => [
      cell.source,
      ...(cell.outputs ?? []).map((output) =>
        output.output_type === 'stream' ? output.text.slice(0, 2000) : '',
      ),
    ])
    .map((text) =>
      stripVTControlCharacters(text)
        .replace(/[#*`$|<>\s]+/g, ' ')
        .trim(),
    )
    .filter(Boolean)
    .join(' ');
