import { escapeHtml } from '../data-table.js';
import { scriptJson } from '../figure-bundle.js';
import { type PageLink, policy } from './html-page.js';
import { pageStyle } from './page-style.js';

/** Shows the pages that hold every word that is typed, each with the place of the first. */
const searchScript = `const pages = JSON.parse(document.getElementById('texts').textContent);
const items = document.querySelectorAll('#pages > li');
document.querySelector('input').addEventListener('input', ({ target }) => {
  const words = target.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let shown = 0;
  items.forEach((item, index) => {
    const text = pages[index], lower = text.toLowerCase();
    const found = words.every((word) => lower.includes(word));
    item.hidden = !found;
    shown += found;
    const at = words.length ? lower.indexOf(words[0]) : -1;
    item.querySelector('p').textContent = at < 0 || !found ? '' : '… ' + text.slice(Math.max(0, at - 60), at + 100) + ' …';
  });
  document.querySelector('output').textContent = words.length ? shown + ' of ' + items.length + ' pages' : '';
});`;

/** A page that lists others and searches their texts (`searchableText`), in the reader's browser alone. */
export const indexPage = (pages: readonly (PageLink & { text: string })[]): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy([searchScript])}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Notebooks</title>
<style>${pageStyle}</style>
</head>
<body>
<main>
<h1>Notebooks</h1>
<search><label><input type="search" placeholder="Search all pages" aria-label="Search all pages"></label> <output aria-live="polite"></output></search>
<ol id="pages">
${pages.map(({ page, title }) => `<li><a href="${escapeHtml(encodeURI(page))}">${escapeHtml(title)}</a><p class="note"></p></li>`).join('\n')}
</ol>
</main>
<script type="application/json" id="texts">${scriptJson(pages.map(({ text }) => text))}</script>
<script>${searchScript}</script>
</body>
</html>
`;
