import { readFileSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { type Cell, type CellOutput, cellTags } from '../document.js';

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

const imageTypes: Record<string, string> = {
  '.png': 'image/png',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.gif': 'image/gif',
  '.webp': 'image/webp',
  '.svg': 'image/svg+xml',
};

/** The data URL of an image that a Markdown cell shows: one of its attachments, or a file beside the notebook. */
export const embeddedImage = (cell: Cell, folder: string, source: string): string | undefined => {
  if (source.startsWith('attachment:')) {
    const forms = cell.attachments?.[decodeURIComponent(source.slice('attachment:'.length))];
    const [mime, data] = Object.entries((forms ?? {}) as Record<string, unknown>)[0] ?? [];
    return mime === undefined ? undefined : `data:${mime};base64,${[data].flat().join('')}`;
  }
  const type = imageTypes[extname(source).toLowerCase()];
  if (type === undefined || /^[a-z]+:/i.test(source)) return undefined;
  try {
    return `data:${type};base64,${readFileSync(resolve(folder, decodeURIComponent(source))).toString('base64')}`;
  } catch {
    return undefined; // a broken image stays one, with its alternative text
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
