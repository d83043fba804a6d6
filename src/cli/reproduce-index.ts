import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { escapeHtml } from '../figures/page.js';
import { writeAtomic } from '../files.js';
import { notebookTitle } from '../notebook/export/cell-parts.js';
import { pageStyle } from '../notebook/export/page-style.js';
import { markdownRenderer } from '../notebook/export/render-markdown.js';
import { readNotebook, withoutOutputs } from '../notebook/read-notebook.js';

/** What each figure of `results/` shows, in the order of the page; others come after them by name. */
const captions: Record<string, string> = {
  'before-after':
    'A typical test tile in true colour, and one band of it against GF1, before and after alignment by the recommended model',
  'tile-gallery': 'Tiles, what the UNet sees of them, and the LUTs that it predicts',
  'tile-luts': 'What the LUTs of test tiles add to S2, beside one LUT for all tiles',
  'tile-gain': 'Where alignment by the recommended model helps, and how much',
  'month-by-region': 'Test error by month and region',
  'error-by-reflectance': 'Test error by reflectance',
  'stated-error': 'The error that the recommended model states of each tile, against the one it has',
  'loss-curves': 'Training and validation error by epoch',
};

const figures = (names: readonly string[]): string[] => {
  const drawn = names.filter((name) => name.endsWith('.svg')).map((name) => basename(name, '.svg'));
  const known = Object.keys(captions).filter((name) => drawn.includes(name));
  return [...known, ...drawn.filter((name) => !(name in captions)).sort()];
};

const figureHtml = (name: string): string => {
  const caption = escapeHtml(captions[name] ?? name);
  return `<figure><a href="${name}.svg"><img src="${name}.svg" alt="${caption}"></a><figcaption>${caption}</figcaption></figure>`;
};

/** A Markdown table as HTML, with links to its other forms. */
const tableHtml = async (results: string, name: string): Promise<string> => {
  const text = await readFile(join(results, `${name}.md`), 'utf8');
  const forms = ['md', 'csv', 'tex'].map((form) => `<a href="${name}.${form}">${form}</a>`).join(', ');
  return `<div class="html">${markdownRenderer({})(text).html}</div>\n<p class="note">As ${forms}</p>`;
};

/**
 * Writes `index.html` into a folder of results: tables, figures, and the pages of notebooks that lie there. It needs nothing
 * but what lies beside it.
 *
 * @param notebooks files whose pages `NAME.html` are in the folder
 */
export const writeIndex = async (results: string, notebooks: readonly string[]): Promise<void> => {
  const names = await readdir(results);
  const pages = await Promise.all(
    notebooks
      .map((file) => ({ file, page: `${basename(file, '.ipynb')}.html` }))
      .filter(({ page }) => names.includes(page))
      .map(async ({ file, page }) => {
        const title = notebookTitle((await readNotebook(file, withoutOutputs)).cells, page);
        return `<li><a href="${encodeURI(page)}">${escapeHtml(title)}</a></li>`;
      }),
  );
  const isTable = (name: string): boolean =>
    name.endsWith('.md') && names.includes(name.replace(/md$/, 'tex'));
  const others = names
    .filter((name) => name.endsWith('.md') && name !== 'comparison.md')
    .sort()
    .map(
      (name) =>
        `<li><a href="${encodeURI(name)}">${escapeHtml(name)}</a>${isTable(name) ? ` (<a href="${encodeURI(name.replace(/md$/, 'csv'))}">csv</a>)` : ''}</li>`,
    );
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Results</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
<h1>Results</h1>
<p>Of the synthetic demo dataset, made by <code>npm run reproduce</code>. The numbers show how models compare on this simulation, not how well real images can be aligned.</p>
${pages.length > 0 ? `<h2>Notebooks</h2>\n<ol>\n${pages.join('\n')}\n</ol>` : ''}
<h2>Comparison</h2>
${await tableHtml(results, 'comparison')}
<h2>Figures</h2>
${figures(names).map(figureHtml).join('\n')}
<h2>More tables</h2>
<ul>
${others.join('\n')}
</ul>
</main>
</body>
</html>
`;
  await writeAtomic(join(results, 'index.html'), html);
};
