import { readFile } from 'node:fs/promises';
import type { Figure } from './figure.js';
import { narrowLayout } from './narrow-layout.js';
import { plotlyScript } from './static/plotly-scripts.js';
import { defaultConfig } from './theme.js';

/** A part of a page: a heading, HTML of the caller's own (already escaped) and a figure, each or none. */
export interface PagePart {
  heading?: string;
  html?: string;
  figure?: Figure;
}

/** Text as HTML. */
export const escapeHtml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

/** JSON that may stand in a script element: no `</script>`, no line ends that are none in JSON. */
const scriptJson = (value: unknown): string =>
  JSON.stringify(value)
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');

const plotlySource = async (figures: readonly Figure[]): Promise<string> =>
  (await readFile(plotlyScript(figures), 'utf8')).replaceAll('</script', '<\\/script');

/** Draws the figures, and again when a phone is turned. plotly modifies its input, so it gets copies. */
const drawScript = `const phone = matchMedia('(max-width: 640px)');
const draw = () => {
  for (const { id, data, layout, narrow, config, frames } of figures) {
    const fitted = structuredClone(phone.matches ? narrow : layout);
    document.getElementById(id).style.minHeight = (fitted.height || 450) + 'px';
    Plotly.newPlot(id, { data: structuredClone(data), layout: { ...fitted, width: undefined, autosize: true }, config, frames });
  }
};
draw();
phone.addEventListener('change', draw);`;

const style = `body{font:15px/1.5 Arial,Helvetica,sans-serif;color:#222;max-width:1100px;margin:24px auto;padding:0 16px;overflow-wrap:break-word}
h1{font-size:24px}h2{font-size:18px;margin-top:32px}table{border-collapse:collapse;font-size:13px;margin:12px 0;display:block;overflow-x:auto}
th,td{border-bottom:1px solid #ddd;padding:3px 10px;text-align:right;white-space:nowrap}th{border-bottom:2px solid #444}
th.name,td.name{text-align:left}caption{text-align:left;font-weight:bold;padding:4px 0}
.note{color:#555}.simulated{background:#F0E442;padding:6px 12px;font-weight:bold}.figure{width:100%}`;

const partHtml = ({ heading, html, figure }: PagePart, index: number): string =>
  [
    heading === undefined ? '' : `<h2>${escapeHtml(heading)}</h2>`,
    html ?? '',
    figure === undefined ? '' : `<div class="figure" id="figure-${index}"></div>`,
  ].join('\n');

/**
 * A self-contained HTML page of interactive figures: plotly is inlined once (1.5 MB), panels stack in narrow windows. The
 * `html` of a part is inserted unescaped.
 */
export const figurePage = async (title: string, parts: readonly PagePart[]): Promise<string> => {
  const figures = parts.flatMap(({ figure }, index) =>
    figure
      ? [
          {
            id: `figure-${index}`,
            ...figure,
            narrow: narrowLayout(figure),
            config: { ...defaultConfig, ...figure.config },
          },
        ]
      : [],
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
${figures.length > 0 ? `<script>${await plotlySource(figures)}</script>` : ''}
</head>
<body>
${parts.map(partHtml).join('\n')}
${figures.length > 0 ? `<script>const figures = ${scriptJson(figures)};\n${drawScript}</script>` : ''}
</body>
</html>
`;
};
