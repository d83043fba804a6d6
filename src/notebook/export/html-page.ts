import { createHash } from 'node:crypto';
import { basename, dirname } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { narrowLayout } from '../../figures/narrow-layout.js';
import { figureTitle } from '../../figures/static/plain-figure.js';
import { explorerCode, explorerHtml } from '../../figures/temporal/explorer.js';
import { defaultConfig } from '../../figures/theme.js';
import { escapeHtml } from '../data-table.js';
import type { Cell, CellOutput } from '../document.js';
import { packedPlotly, scriptJson, unpackScript } from '../figure-bundle.js';
import { notebookCells } from '../read-notebook.js';
import { type ChosenForm, chooseForm, embeddedImage, rawForm, visibleParts } from './cell-parts.js';
import { highlight } from './highlight.js';
import type { Outline } from './outline.js';
import { pageStyle } from './page-style.js';
import { type Heading, markdownRenderer } from './render-markdown.js';
import { type Addresses, sanitise } from './sanitise.js';

/** Draws each figure over its still image, again when a phone is turned; without scripts the image stays. */
const drawScript = `(${unpackScript})(document.getElementById('plotly').textContent).then((Plotly) => {
const phone = matchMedia('(max-width: 640px)');
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
phone.addEventListener('change', draw);
});`;

const searchField =
  '<search><label><input type="search" placeholder="Search this page" aria-label="Search this page"></label> <output aria-live="polite"></output></search>';

/** Shows only the parts of the page that hold every word that is typed, folded code opened; all where none is. */
const searchScript = `const parts = [...document.querySelectorAll('main > section')].filter((part) => !part.querySelector('search'));
const texts = parts.map((part) => part.textContent.toLowerCase());
document.querySelector('search input').addEventListener('input', ({ target }) => {
  const words = target.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  parts.forEach((part, index) => {
    const found = words.every((word) => texts[index].includes(word));
    part.hidden = !found;
    shown += found;
    const code = part.querySelector('details.source');
    if (code && words.length > 0 && found) code.open = true;
  });
  document.querySelector('search output').textContent = words.length > 0 ? shown + ' of ' + parts.length + ' parts' : '';
});`;

/** How a page is laid out, and its place among others. */
export interface PageOptions {
  /** Code as it is tagged, all of it folded, or none. @default 'show' */
  code?: 'show' | 'fold' | 'none';
  /** Pages that are written with this one, in order: notebooks' file names and the pages' own, with titles. */
  pages?: readonly PageLink[];
}

export interface PageLink {
  notebook: string;
  page: string;
  title: string;
}

const scriptHash = (script: string): string =>
  `'sha256-${createHash('sha256').update(script).digest('base64')}'`;

/** Nothing from outside, and no script but ours. plotly's WebGL traces compile code at run time. */
export const policy = (scripts: readonly string[]): string =>
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

/** Characters of a text that are made ready together. */
const pieceLength = 65_536;

/** Long texts in pieces of whole lines, within which the codes of terminals end. */
function* preformatted(text: string, kind: string): Generator<string> {
  yield `<pre class="${kind}" tabindex="0">`;
  for (let start = 0; start < text.length; ) {
    const line = text.indexOf('\n', start + pieceLength);
    const end = line < 0 ? text.length : line + 1;
    yield escapeHtml(stripVTControlCharacters(text.slice(start, end)));
    start = end;
  }
  yield '</pre>';
}

/** Chapters with their sections, where there are enough to choose from. */
const contents = (headings: readonly Heading[]): string => {
  const listed = headings.filter(({ level }) => level === 2 || level === 3);
  if (listed.length < 3) return '';
  // the list counts by itself
  const item = ({ id, text }: Heading, inner: string): string =>
    `<li><a href="#${escapeHtml(id)}">${escapeHtml(text.replace(/^\d+\.\s+/, ''))}</a>${inner}</li>`;
  const items = listed.map((heading, index) => {
    if (heading.level === 3 && listed.slice(0, index).some(({ level }) => level === 2)) return '';
    const rest = listed.slice(index + 1);
    const end = rest.findIndex(({ level }) => level === 2);
    const sections = heading.level === 2 ? rest.slice(0, end < 0 ? undefined : end) : [];
    return item(
      heading,
      sections.length > 0 ? `<ul>${sections.map((one) => item(one, '')).join('')}</ul>` : '',
    );
  });
  return `<nav aria-label="Contents"><ol>${items.join('')}</ol></nav>`;
};

/** Links to the pages before and after this one, and to all of them. */
const neighbours = (pages: readonly PageLink[], notebook: string): string => {
  const at = pages.findIndex((one) => one.notebook === notebook);
  if (pages.length < 2 || at < 0) return '';
  const link = (one: PageLink | undefined, before: string, after: string): string =>
    one
      ? `<a href="${escapeHtml(encodeURI(one.page))}">${before}${escapeHtml(one.title)}${after}</a>`
      : '<span></span>';
  return `<nav class="pages" aria-label="Pages">${link(pages[at - 1], '← ', '')}<a href="index.html">All pages</a>${link(pages[at + 1], '', ' →')}</nav>`;
};

/**
 * An executed notebook as one HTML page that needs nothing beside it and asks nothing of a network: narration,
 * code in colour, tables, interactive figures over still images, plotly inlined once, packed, where there are figures. Scripts in
 * the notebook's own HTML are taken out, and the page's policy would not run them.
 * @param path the notebook's file: images beside it are embedded, its name serves where it has no title
 * @param outline what was read of it before
 * @returns the page's text in pieces: cells are read again as they are taken
 */
export async function* htmlPage(
  path: string,
  { title, cells, figures, explored }: Outline,
  { code = 'show', pages = [] }: PageOptions = {},
): AsyncGenerator<string> {
  const name = basename(path, '.ipynb');
  const folder = dirname(path);
  const headings: Heading[] = [];
  let cellOfImages = cells[0];
  let drawn = 0;
  let documents = 0;
  const addresses: Addresses = {
    image: (source) => {
      const found = embeddedImage(cellOfImages, folder, source);
      return found && `data:${found.mime};base64,${found.base64}`;
    },
    link: (address) => {
      const [, file, rest] = /^(?:\.\/)?([^/#?]+\.ipynb)((?:#.*)?)$/.exec(address) ?? [];
      const page = file && pages.find(({ notebook: other }) => other === decodeURI(file))?.page;
      return page ? `${encodeURI(page)}${rest}` : address;
    },
  };
  const render = markdownRenderer(addresses);

  const outputHtml = (output: CellOutput): Iterable<string> => {
    if (output.output_type === 'stream')
      return preformatted(output.text, output.name === 'stderr' ? 'text stderr' : 'text');
    if (output.output_type === 'error') return preformatted(output.traceback.join('\n'), 'error');
    const form = chooseForm(output.data);
    const text = output.data['text/plain'];
    return form === undefined ? [] : [formHtml(form, typeof text === 'string' ? text : undefined)];
  };
  const formHtml = (form: ChosenForm, text: string | undefined): string => {
    if (form.kind === 'figure') {
      drawn += 1;
      return figureHtml(form, text ?? `figure ${drawn}`);
    }
    if (form.kind === 'explorer') {
      const still =
        form.png === undefined
          ? ''
          : `<img src="data:image/png;base64,${form.png}" alt="${escapeHtml(form.data.title)}">`;
      return explorerHtml(form.data, still);
    }
    if (form.kind === 'image')
      return `<figure><img src="data:${form.mime};base64,${form.base64}" alt="output"></figure>`;
    if (form.kind === 'pdf') {
      documents += 1;
      const file = `${name}-${documents}.pdf`;
      const size = Math.ceil((form.base64.length * 3) / 4 / 1024);
      return `<p><a download="${escapeHtml(file)}" href="data:application/pdf;base64,${form.base64}">${escapeHtml(file)}</a> (PDF, ${size} kB)</p>`;
    }
    if (form.kind === 'svg')
      return `<figure><img src="data:image/svg+xml;base64,${Buffer.from(form.text).toString('base64')}" alt="output"></figure>`;
    if (form.kind === 'html') return `<div class="html">${sanitise(form.text, addresses)}</div>`;
    if (form.kind === 'markdown' || form.kind === 'latex')
      return `<div class="markdown">${render(form.text).html}</div>`;
    return form.kind === 'note'
      ? `<p class="note">[${escapeHtml(form.text)}]</p>`
      : [...preformatted(form.text, 'text')].join('');
  };

  const narrationHtml = (cell: Cell): string => {
    if (!visibleParts(cell).source) return '';
    cellOfImages = cell;
    if (cell.cell_type === 'raw') return `<section>${formHtml(rawForm(cell), undefined)}</section>`;
    const { html, headings: found } = render(cell.source);
    headings.push(...found);
    return `<section class="markdown">${html}</section>`;
  };
  const codeHtml = function* (cell: Cell): Generator<string> {
    const { source, folded, outputs } = visibleParts(cell);
    cellOfImages = cell;
    const label = Number.isSafeInteger(cell.execution_count) ? `code [${cell.execution_count}]` : 'code';
    let between = `<section class="cell" aria-label="${label}">`;
    const parts = function* (): Generator<Iterable<string>> {
      if (source && code !== 'none')
        yield [
          `<details class="source"${folded || code === 'fold' ? '' : ' open'}><summary>${label}</summary><pre tabindex="0"><code>${highlight(cell.source, 'typescript')}</code></pre></details>`,
        ];
      for (const output of outputs) yield outputHtml(output);
    };
    let isEmpty = true;
    for (const part of parts()) {
      for (const piece of part) {
        if (piece === '') continue;
        yield between + piece;
        [between, isEmpty] = ['', false];
      }
      if (!isEmpty) between = '\n';
    }
    if (!isEmpty) yield '</section>';
  };

  // narration first, as the contents stand before it; outputs, which may be large, when their piece is taken
  const narration = new Map(
    cells
      .filter(({ cell_type: kind }) => kind !== 'code')
      .map((cell): [string, string] => [cell.id, narrationHtml(cell)]),
  );
  const nav = contents(headings);
  // the contents follow the title where there is one
  const head = nav === '' ? '' : `${searchField}\n${nav}`;
  const titled = [...narration].find(([, html]) => html.includes('</h1>'));
  if (titled)
    narration.set(
      titled[0],
      titled[1].replace('</h1>', () => `</h1>\n${head}`),
    );
  const around = neighbours(pages, basename(path));
  const searched = nav !== '';
  const scripts = [
    ...(figures.length > 0 ? [drawScript] : []),
    ...(explored ? [explorerCode()] : []),
    ...(searched ? [searchScript] : []),
  ];
  const start = `<!doctype html>
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
${around}<main>
${titled ? '' : `${head}\n`}`;
  const end = `
</main>
${around}<footer>${escapeHtml(name)}.ipynb, run by bandalign</footer>
${figures.length > 0 ? `<script type="application/gzip" id="plotly">${await packedPlotly(figures)}</script>` : ''}
${scripts.map((script) => `<script>${script}</script>`).join('\n')}
</body>
</html>
`;
  yield start;
  let isFirst = true;
  for await (const cell of notebookCells(path)) {
    let between: string = isFirst ? '' : '\n';
    const pieces: Iterable<string> =
      cell.cell_type === 'code' ? codeHtml(cell) : [narration.get(cell.id) ?? ''];
    for (const piece of pieces) {
      if (piece === '') continue;
      yield between + piece;
      [between, isFirst] = ['', false];
    }
  }
  yield end;
}
