import { basename, dirname } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { reason } from '../../fault.js';
import { figureTitle } from '../../figures/static/plain-figure.js';
import { renderFigure } from '../../figures/static/render-figure.js';
import type { Cell, CellOutput } from '../document.js';
import { notebookCells } from '../read-notebook.js';
import { type ChosenForm, chooseForm, embeddedImage, rawForm, visibleParts } from './cell-parts.js';
import { missingImage, sanitise } from './sanitise.js';

const extensionOf = (mime: string): string =>
  mime.replace('image/', '').replace('jpeg', 'jpg').replace('svg+xml', 'svg');

/** A fence longer than any run of backquotes inside. */
const fenced = (code: string, language: string): string => {
  const longest = Math.max(2, ...(code.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}${language}\n${code.replace(/\n$/, '')}\n${fence}`;
};

/**
 * An executed notebook as Markdown with still images, for a repository or a wiki. Figures without a stored image are drawn;
 * images that its narration shows are taken along.
 * @param path the notebook's file
 * @param page path of the page: images go to `<name>_files/` beside it
 * @param write writes an image, by its path relative to the page, before the text that names it
 * @returns the page's text in pieces: cells are read as they are taken
 */
export async function* markdownPage(
  path: string,
  page: string,
  write: (path: string, bytes: Uint8Array) => Promise<void>,
  code: 'show' | 'fold' | 'none' = 'show',
): AsyncGenerator<string> {
  let images: { path: string; bytes: Uint8Array }[] = [];
  let count = 0;
  const folder = `${basename(page).replace(/\.[^.]*$/, '')}_files`;
  const kept = (cell: Cell, bytes: Uint8Array, extension: string): string => {
    const name = cell.id.replace(/[^A-Za-z0-9_-]+/g, '-').slice(0, 64);
    count += 1;
    const path = `${folder}/${name}-${count}.${extension}`;
    images.push({ path, bytes });
    return path;
  };
  const image = (cell: Cell, bytes: Uint8Array, extension: string, title: string): string =>
    `![${title.replace(/[[\]]/g, ' ')}](${encodeURI(kept(cell, bytes, extension))})`;
  const document = (cell: Cell, bytes: Uint8Array): string => {
    const path = kept(cell, bytes, 'pdf');
    return `[${basename(path)}](${encodeURI(path)}) (PDF)`;
  };
  const figure = async (cell: Cell, form: Extract<ChosenForm, { kind: 'figure' }>): Promise<string> => {
    const title = figureTitle(form.figure) ?? 'figure';
    try {
      const bytes =
        form.png === undefined ? await renderFigure(form.figure) : Buffer.from(form.png, 'base64');
      return image(cell, bytes, 'png', title);
    } catch (error) {
      return `*${title}: no image (${reason(error)})*`;
    }
  };
  const outputText = async (cell: Cell, output: CellOutput): Promise<string> => {
    if (output.output_type === 'stream') return fenced(stripVTControlCharacters(output.text), 'text');
    if (output.output_type === 'error')
      return fenced(stripVTControlCharacters(output.traceback.join('\n')), 'text');
    const form = chooseForm(output.data);
    return form === undefined ? '' : formText(cell, form);
  };
  const formText = async (cell: Cell, form: ChosenForm): Promise<string> => {
    if (form.kind === 'figure') return figure(cell, form);
    if (form.kind === 'explorer')
      return form.png === undefined
        ? `*${form.data.title}: no image*`
        : image(cell, Buffer.from(form.png, 'base64'), 'png', form.data.title);
    if (form.kind === 'image')
      return image(cell, Buffer.from(form.base64, 'base64'), extensionOf(form.mime), 'output');
    if (form.kind === 'pdf') return document(cell, Buffer.from(form.base64, 'base64'));
    if (form.kind === 'svg') return image(cell, Buffer.from(form.text), 'svg', 'output');
    if (form.kind === 'html') return sanitise(form.text).replace(/\n{2,}/g, '\n');
    if (form.kind === 'note') return `*[${form.text}]*`;
    return form.kind === 'text' ? fenced(form.text, 'text') : form.text;
  };
  const narration = (cell: Cell): string => {
    const saved = (source: string, title: string): string => {
      const found = embeddedImage(cell, dirname(path), source);
      return found
        ? image(cell, Buffer.from(found.base64, 'base64'), extensionOf(found.mime), title)
        : `*${missingImage(title, source)}*`;
    };
    return cell.source
      .trim()
      .replace(
        // an image of the web stays a link to it
        /!\[([^\]]*)\]\((?!https?:)([^)\s]+)(?:\s+"[^"]*")?\)/gi,
        (_, title: string, source: string) => saved(source, title),
      )
      .replace(/<img\b[^>]*>/gi, (tag) => {
        const attribute = (name: string): string =>
          new RegExp(`\\b${name}\\s*=\\s*["']([^"']*)["']`, 'i').exec(tag)?.[1] ?? '';
        const source = attribute('src');
        return source === '' || /^https?:/i.test(source) ? tag : saved(source, attribute('alt'));
      });
  };
  const cellParts = async function* (cell: Cell): AsyncGenerator<string> {
    const { source, outputs } = visibleParts(cell);
    if (cell.cell_type === 'raw') {
      if (source) yield await formText(cell, rawForm(cell));
      return;
    }
    if (source && !(cell.cell_type === 'code' && code === 'none'))
      yield cell.cell_type === 'code' ? fenced(cell.source, 'typescript') : narration(cell);
    for (const output of outputs) yield await outputText(cell, output);
  };
  let between = '';
  for await (const cell of notebookCells(path))
    for await (const part of cellParts(cell)) {
      for (const { path: name, bytes } of images) await write(name, bytes);
      images = [];
      if (part === '') continue;
      yield `${between}${part}\n`;
      between = '\n';
    }
}
