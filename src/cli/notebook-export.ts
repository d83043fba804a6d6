import { basename, join } from 'node:path';
import { Fault } from '../fault.js';
import type { Command } from './command.js';

const pageName = (notebook: string, format: string): string => `${basename(notebook, '.ipynb')}.${format}`;

export const command: Command = {
  path: ['notebook', 'export'],
  words: 'IN.ipynb…',
  summary: 'write executed notebooks as self-contained HTML pages, or as Markdown with images',
  options: {
    out: { type: 'string', value: 'PAGE.html|PAGE.md|DIR', help: 'where to; of several notebooks a folder' },
    format: { type: 'string', value: 'html|md', help: 'of the pages in a folder', default: 'html' },
  },
  run: async ({ words, options, print, json, note, progress }) => {
    const out = options['out'] as string | undefined;
    const format = String(options['format']);
    if (words.length === 0) throw new Fault('notebook: none given; name one or more .ipynb files');
    if (format !== 'html' && format !== 'md') throw new Fault(`--format: ${format}; give html or md`);
    if (out === undefined) throw new Fault('--out: not given; name a page (.html, .md) or a folder');
    const single = /\.(html|md)$/i.test(out);
    if (single && words.length > 1) throw new Fault(`--out: ${out}; with several notebooks, name a folder`);
    const { exportNotebook } = await import('../notebook/export/export-notebook.js');
    const { readNotebook } = await import('../notebook/document.js');
    const pages: { notebook: string; files: string[] }[] = [];
    for (const notebook of words) {
      progress({ stage: 'export', done: pages.length, total: words.length, unit: 'notebooks' });
      const { cells } = await readNotebook(notebook);
      if (
        cells.some((cell) => cell.cell_type === 'code') &&
        cells.every((cell) => cell.execution_count == null)
      )
        note(`${notebook}: it was not run; the page has no outputs`);
      const files = await exportNotebook(notebook, single ? out : join(out, pageName(notebook, format)));
      pages.push({ notebook, files });
      print(files[0]);
    }
    progress({ stage: 'export', done: words.length, total: words.length, unit: 'notebooks' });
    json({ pages });
  },
};
