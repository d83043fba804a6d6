import { basename, join } from 'node:path';
import { chosen } from '../config/spelling.js';
import { Fault } from '../fault.js';
import { writeAtomic } from '../files.js';
import type { Outline } from '../notebook/export/outline.js';
import type { Command } from './command.js';

const pageName = (notebook: string, format: string): string => `${basename(notebook, '.ipynb')}.${format}`;

export const command: Command = {
  path: ['notebook', 'export'],
  words: 'IN.ipynb…',
  summary: 'write executed notebooks as self-contained HTML pages, or as Markdown with images',
  examples: [
    'notebook export notebooks/01-quickstart.ipynb --out quickstart.html',
    'notebook export notebooks/*.ipynb --out pages/ --code fold',
  ],
  options: {
    out: {
      type: 'string',
      value: 'PAGE.html|PAGE.md|DIR',
      help: 'where to; of several notebooks a folder, which also gets an index.html with a search',
    },
    format: { type: 'string', value: 'html|md', help: 'of the pages in a folder', default: 'html' },
    code: {
      type: 'string',
      value: 'show|fold|none',
      help: 'code: as tagged, folded, or left out',
      default: 'show',
    },
    'no-code': { type: 'boolean', help: 'the same as --code none' },
  },
  run: async ({ words, options, print, json, note, progress }) => {
    const out = options['out'] as string | undefined;
    const format = chosen('--format', String(options['format']), ['html', 'md']);
    const asked = chosen('--code', String(options['code']), ['show', 'fold', 'none']);
    const code = options['no-code'] === true ? 'none' : asked;
    if (words.length === 0) throw new Fault('notebook: none given; name one or more .ipynb files');
    if (out === undefined) throw new Fault('--out: not given; name a page (.html, .md) or a folder');
    const single = /\.(html|md)$/i.test(out);
    if (single && words.length > 1) throw new Fault(`--out: ${out}; with several notebooks, name a folder`);
    const names = words.map((word) => pageName(word, format));
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw new Fault(`notebooks: two become ${twice}; export them into two folders`);
    const { exportNotebook } = await import('../notebook/export/export-notebook.js');
    const { indexPage } = await import('../notebook/export/index-page.js');
    const { outlineOf } = await import('../notebook/export/outline.js');
    const outlines: Outline[] = [];
    for (const word of words) outlines.push(await outlineOf(word));
    const links = words.map((word, index) => {
      const { title, text } = outlines[index];
      return { notebook: basename(word), page: names[index], title, text };
    });
    const pages: { notebook: string; files: string[] }[] = [];
    for (const [index, notebook] of words.entries()) {
      progress({ stage: 'export', done: index, total: words.length, unit: 'notebooks' });
      const outline = outlines[index];
      if (!outline.wasRun) note(`${notebook}: it was not run; the page has no outputs`);
      const files = await exportNotebook(notebook, single ? out : join(out, names[index]), {
        ...{ code, pages: links, outline },
      });
      pages.push({ notebook, files });
      print(files[0]);
    }
    const index =
      format === 'html' && words.length > 1 && !names.includes('index.html')
        ? join(out, 'index.html')
        : undefined;
    if (index !== undefined) {
      await writeAtomic(index, indexPage(links));
      print(index);
    }
    progress({ stage: 'export', done: words.length, total: words.length, unit: 'notebooks' });
    json({ pages, ...(index === undefined ? {} : { index }) });
  },
};
