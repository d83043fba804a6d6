import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { narrowLayout } from '../../figures/narrow-layout.js';
import { figureTitle, type PlainFigure } from '../../figures/static/plain-figure.js';
import { plotlyScript } from '../../figures/static/plotly-scripts.js';
import { defaultConfig } from '../../figures/theme.js';
import { escapeHtml } from '../data-table.js';
import type { Cell, CellOutput, Notebook } from '../document.js';
import { embeddedImage, notebookTitle, visibleParts } from './cell-parts.js';
import { chooseForm } from './choose-output.js';
import { highlight } from './highlight.js';
import { pageStyle } from './page-style.js';
import { type Heading, markdownRenderer } from './render-markdown.js';
import { sanitise } from './sanitise.js';

/** Draws each figure over its still image, again when a phone is turned; without scripts the image stays. */
const drawScript = `const phone = matchMedia('(max-width: 640px)');
const draw = () => {
  for (const json of document.querySelectorAll('script[type="application/vnd.plotly.v1+json"]')) {
    const place = json.previousElementSibling;
    const { data, layout, narrow, config, frames } = JSON.parse(json.textContent);
    const still = place.parentElement.querySelector('img');
    const fitted = phone.matches ? narrow : layout;
    place.style.minHeight = (fitted.height || 450) + 'px';
    Plotly.newPlot(place, { data, layout: { ...fitted, width: undefined, autosize: true }, frames,
      config: { ...${JSON.stringify(defaultConfig)}, ...config } }).then(() => still && still.remove());
  }
};
draw();
phone.addEventListener('change', draw);`;

/** JSON that may stand inside a script element. */
const scriptJson = (value: unknown): string => JSON.stringify(value).replace(/</g, '\\u003c');

const scriptHash = (script: string): string =>
  `'sha256-${createHash('sha256').update(script).digest('base64')}'`;

/** Nothing from outside, and no script but ours. plotly's WebGL traces compile code at run time. */
const policy = (scripts: readonly string[]): string =>
  [
    "default-src 'none'",
    'img-src data: blob:',
    'font-src data:',
    "style-src 'unsafe-inline'",
    'worker-src blob:',
    `script-src ${scripts.length > 0 ? `${scripts.map(scriptHash).join(' ')} 'unsafe-eval'` : "'none'"}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');

const figureHtml = (
  form: { figure: { data: object[]; layout: object }; png?: string },
  fallback: string,
): string => {
  const title = escapeHtml(figureTitle(form.figure) ?? fallback);
  return [
    `<figure role="group" aria-label="${title}">`,
    form.png === undefined ? '' : `<img src="data:image/png;base64,${form.png}" alt="${title}">`,
    '<div class="plot"></div>',
    `<script type="application/vnd.plotly.v1+json">${scriptJson({ ...form.figure, narrow: narrowLayout(form.figure) })}</script>`,
    '</figure>',
  ].join('');
};

const preformatted = (text: string, kind: string): string =>
  `<pre class="${kind}" tabindex="0">${escapeHtml(stripVTControlCharacters(text))}</pre>`;

const contents = (headings: readonly Heading[]): string => {
  const chapters = headings.filter(({ level }) => level === 2);
  if (chapters.length < 3) return '';
  // the list counts by itself
  const name = (text: string): string => escapeHtml(text.replace(/^\d+\.\s+/, ''));
  const items = chapters.map(({ id, text }) => `<li><a href="#${id}">${name(text)}</a></li>`).join('');
  return `<nav aria-label="Contents"><ol>${items}</ol></nav>`;
};

/**
 * An executed notebook as one HTML page that needs nothing beside it and asks nothing of a network: narration,
 * code in colour, tables, interactive figures over still images, plotly inlined once where there are figures. Scripts in
 * the notebook's own HTML are taken out, and the page's policy would not run them.
 * @param path the notebook's file: images beside it are embedded, its name serves where it has no title
 */
export const htmlPage = async (notebook: Notebook, path: string): Promise<string> => {
  const name = basename(path, '.ipynb');
  const title = notebookTitle(notebook.cells, name);
  const folder = dirname(path);
  const headings: Heading[] = [];
  let cellOfImages: Cell = notebook.cells[0];
  const figures: PlainFigure[] = [];
  const render = markdownRenderer((source) => embeddedImage(cellOfImages, folder, source));

  const outputHtml = (output: CellOutput): string => {
    if (output.output_type === 'stream')
      return preformatted(output.text, output.name === 'stderr' ? 'text stderr' : 'text');
    if (output.output_type === 'error') return preformatted(output.traceback.join('\n'), 'error');
    const form = chooseForm(output.data);
    if (form === undefined) return '';
    if (form.kind === 'figure') {
      figures.push(form.figure);
      const text = output.data['text/plain'];
      return figureHtml(form, typeof text === 'string' ? text : `figure ${figures.length}`);
    }
    if (form.kind === 'image')
      return `<figure><img src="data:${form.mime};base64,${form.base64}" alt="output"></figure>`;
    if (form.kind === 'svg')
      return `<figure><img src="data:image/svg+xml;base64,${Buffer.from(form.text).toString('base64')}" alt="output"></figure>`;
    if (form.kind === 'html') return `<div class="html">${sanitise(form.text)}</div>`;
    if (form.kind === 'markdown' || form.kind === 'latex')
      return `<div class="markdown">${render(form.text).html}</div>`;
    return preformatted(form.text, 'text');
  };

  const cellHtml = (cell: Cell): string => {
    if (cell.cell_type === 'raw') return '';
    const { source, folded, outputs } = visibleParts(cell);
    if (cell.cell_type === 'markdown') {
      if (!source) return '';
      cellOfImages = cell;
      const { html, headings: found } = render(cell.source);
      headings.push(...found);
      return `<section class="markdown">${html}</section>`;
    }
    const label = cell.execution_count == null ? 'code' : `code [${cell.execution_count}]`;
    const parts = [
      source
        ? `<details class="source"${folded ? '' : ' open'}><summary>${label}</summary><pre tabindex="0"><code>${highlight(cell.source, 'typescript')}</code></pre></details>`
        : '',
      ...outputs.map(outputHtml),
    ].filter(Boolean);
    return parts.length === 0
      ? ''
      : `<section class="cell" aria-label="${label}">${parts.join('\n')}</section>`;
  };

  const cells = notebook.cells.map(cellHtml).filter(Boolean).join('\n');
  const nav = contents(headings);
  // the contents follow the title where there is one
  const body = cells.includes('</h1>') ? cells.replace('</h1>', () => `</h1>\n${nav}`) : `${nav}\n${cells}`;
  const plotly =
    figures.length > 0
      ? (await readFile(plotlyScript(figures), 'utf8'))
          .replace(/\r\n?/g, '\n')
          .replaceAll('</script', '<\\/script')
      : '';
  const scripts = figures.length > 0 ? [plotly, drawScript] : [];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="bandalign notebook export">
<link rel="icon" href="data:,">
<title>${escapeHtml(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
${body}
</main>
<footer>${escapeHtml(name)}.ipynb, run by bandalign</footer>
${scripts.map((script) => `<script>${script}</script>`).join('\n')}
</body>
</html>
`;
};
