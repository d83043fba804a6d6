import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { searchableText } from '../../src/notebook/export/cell-parts.js';
import { exportNotebook } from '../../src/notebook/export/export-notebook.js';
import { indexPage } from '../../src/notebook/export/index-page.js';
import { sanitise } from '../../src/notebook/export/sanitise.js';
import { readNotebook } from '../../src/notebook/read-notebook.js';
import { findChromium, startChromium } from '../chromium.js';
import { inFolder, writeNotebookFile } from './notebook-files.js';

const dot =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const figure = (type: string): object => ({
  output_type: 'display_data',
  metadata: {},
  data: {
    'application/vnd.plotly.v1+json': {
      data: [
        { type, mode: 'markers', x: [1, 2, 3], y: [3, 1, 2], name: 'S2' },
        { type, mode: 'markers', x: [1, 2, 3], y: [1, 2, 3], name: 'GF1' },
      ],
      layout: { title: { text: `A ${type} </script> figure` } },
    },
    'image/png': dot,
    'text/plain': 'figure',
  },
});
const cells = [
  {
    source:
      '# Alignment of *S2*\n\n![dot](dot.png) ![away](https://example.org/x.png)\n\n<script>bad()</script>',
    markdown: true,
  },
  {
    source:
      '## One\n\nMinimise $\\lVert y - \\hat y \\rVert^2$ & keep $5 and $6.\n\n| a | b |\n|--:|---|\n| 1 | 2 |',
    markdown: true,
  },
  { source: '## Two', markdown: true },
  {
    source: 'const x: number = 1 < 2 ? 1 : 2; // <b>',
    outputs: [{ output_type: 'stream', name: 'stdout', text: '\u001b[31mred\u001b[0m <b>\n' }],
  },
  { source: '## Three', markdown: true },
  { source: 'one', outputs: [figure('scatter')] },
  { source: 'two', outputs: [figure('scattergl')], tags: ['hide-input'] },
  {
    source: 'table',
    tags: ['remove-input'],
    outputs: [
      {
        output_type: 'display_data',
        metadata: {},
        data: {
          'text/html':
            '<table onclick="x()"><tr><td style="color:red">7</td></tr></table><script>bad()</script>',
        },
      },
      {
        output_type: 'error',
        ename: 'Error',
        evalue: 'no',
        traceback: ['Error: no', '    at cell [1], line 2'],
      },
    ],
  },
];

const exported = async (folder: string, page: string): Promise<string> => {
  await writeFile(join(folder, 'dot.png'), Buffer.from(dot, 'base64'));
  const notebook = await writeNotebookFile(folder, 'in.ipynb', cells);
  await exportNotebook(notebook, join(folder, page));
  return readFile(join(folder, page), 'utf8');
};

describe('HTML export', () => {
  it('is one page with narration, code, tables, plotly once, and nothing that runs or loads', async () =>
    inFolder(async (folder) => {
      const page = await exported(folder, 'page.html');
      const [head, body] = page.split('<body>');
      expect(head).toContain('<title>Alignment of S2</title>');
      expect(head).toMatch(/default-src 'none'/);
      expect(body).toContain('<nav aria-label="Contents"><ol><li><a href="#one">One</a>');
      expect(body).toContain('<math ');
      expect(body).toContain('keep $5 and $6');
      expect(body).toContain(`<img src="data:image/png;base64,${dot}" alt="dot"`);
      expect(body).toContain('<span class="hljs-keyword">const</span>');
      expect(body).toContain('>red &lt;b&gt;\n</pre>');
      expect(body).toContain('<td style="color:red">7</td>');
      expect(body).toContain('    at cell [1], line 2');
      expect(page.split('<footer>')[0]).not.toMatch(/bad\(\)|onclick|example\.org/);
      expect(page.match(/id="plotly"/g)).toHaveLength(1);
      expect(page.length).toBeLessThan(2_100_000); // 4.8 MB of plotly, packed
      expect(await readdir(folder)).toEqual(['dot.png', 'in.ipynb', 'page.html']);
    }));

  it('carries no plotly where there are no figures', async () =>
    inFolder(async (folder) => {
      const notebook = await writeNotebookFile(folder, 'in.ipynb', ['1']);
      await exportNotebook(notebook, join(folder, 'page.html'));
      const page = await readFile(join(folder, 'page.html'), 'utf8');
      expect(page.length).toBeLessThan(20_000);
      expect(page).toContain('<title>in</title>');
      expect(page).not.toContain('<script');
    }));

  const browser = findChromium();
  if (browser === undefined) console.warn('no Chromium here: the exported page is not opened');
  it.skipIf(browser === undefined)(
    'draws every figure in a browser, quietly and offline, and reacts to a click',
    async () =>
      inFolder(async (folder) => {
        await exported(folder, 'page.html');
        const running = await startChromium();
        try {
          const page = await running.newPage();
          const requests: string[] = [];
          const complaints: string[] = [];
          page.on('request', (request) => requests.push(request.url()));
          page.on(
            'console',
            (message) => void (message.type() === 'error' && complaints.push(message.text())),
          );
          page.on('pageerror', (error) => complaints.push(error.message));
          const address = pathToFileURL(join(folder, 'page.html')).href;
          await page.goto(address);
          await page.waitForFunction(
            () =>
              document.querySelectorAll('.js-plotly-plot .main-svg').length > 0 &&
              document.querySelectorAll('figure > img').length === 0,
          );
          expect(await page.locator('.js-plotly-plot').count()).toBe(2);
          await page.locator('.legendtoggle').first().click();
          await page.waitForFunction(
            () =>
              (document.querySelector('.js-plotly-plot') as unknown as { data: { visible?: unknown }[] })
                .data[0].visible === 'legendonly',
          );
          expect(complaints).toEqual([]);
          expect(requests.filter((url) => !url.startsWith('data:') && !url.startsWith('blob:'))).toEqual([
            address,
          ]);
        } finally {
          await running.close();
        }
      }),
    120_000,
  );
});

describe('Markdown export', () => {
  it('has fenced code, outputs and images beside the page', async () =>
    inFolder(async (folder) => {
      const page = await exported(folder, 'page.md');
      expect(page).toContain('```typescript\none\n```\n\n![A scatter figure](page_files/cell-5-2.png)');
      expect(page).toContain('```text\nred <b>\n```');
      expect(page).toContain('<td style="color:red">7</td>');
      expect(page).not.toMatch(/onclick/);
      expect(page).toContain('![dot](page_files/cell-0-1.png) ![away](https://example.org/x.png)');
      expect(await readdir(join(folder, 'page_files'))).toEqual([
        'cell-0-1.png',
        'cell-5-2.png',
        'cell-6-3.png',
      ]);
      expect((await readFile(join(folder, 'page_files', 'cell-5-2.png'))).toString('base64')).toBe(dot);
    }));

  it('refuses other kinds of page', async () => {
    await expect(exportNotebook('x.ipynb', 'x.pdf')).rejects.toThrow(
      '--out: x.pdf; end its name in .html or .md',
    );
  });
});

describe('a page of somebody else’s notebook', () => {
  const pageOf = async (folder: string, cells: object[], kind = 'html'): Promise<string> => {
    const path = join(folder, 'book', 'in.ipynb');
    await mkdir(join(folder, 'book'), { recursive: true });
    await writeFile(path, JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells }));
    await exportNotebook(path, join(folder, `page.${kind}`));
    return readFile(join(folder, `page.${kind}`), 'utf8');
  };
  const shown = (data: object, rest: object = {}): object => ({
    ...{ cell_type: 'code', id: 'a', metadata: {}, source: '1', execution_count: null, ...rest },
    outputs: [{ output_type: 'display_data', metadata: {}, data }],
  });
  const markdown = (source: string, rest: object = {}): object => ({
    ...{ cell_type: 'markdown', id: 'm', metadata: {}, source, ...rest },
  });
  const bad = '"><meta http-equiv="refresh" content="0;url=http://away"><img src="';

  it('names a figure that is none, and goes on', async () =>
    inFolder(async (folder) => {
      const figures = [{}, { data: [null] }, { data: {} }, { data: [], layout: [] }];
      for (const kind of ['html', 'md']) {
        const page = await pageOf(
          folder,
          figures.map((figure, index) =>
            shown({ 'application/vnd.plotly.v1+json': figure }, { id: `a${index}` }),
          ),
          kind,
        );
        expect(
          page.match(/an output of type application\/vnd\.plotly\.v1\+json: not shown here/g),
        ).toHaveLength(4);
      }
    }));

  it('has nothing in it but what its fields are for', async () =>
    inFolder(async (folder) => {
      const figure = { data: [], layout: { title: { text: bad } } };
      const page = await pageOf(folder, [
        shown({ 'image/png': `AAAA${bad}` }),
        shown({ 'image/jpeg': bad, 'text/plain': bad }, { execution_count: bad, id: 'b' }),
        shown({ 'application/vnd.plotly.v1+json': figure, 'image/png': bad, 'text/plain': bad }, { id: 'c' }),
        shown(
          {
            'text/html': `<form action="//away"><input></form><base href="//away"><iframe src="x"></iframe>${bad}`,
          },
          { id: 'd' },
        ),
        markdown(`# ${bad}\n\n![x](attachment:a) [y](javascript:alert)`, {
          attachments: { a: { [`image/png${bad}`]: dot, 'image/sh': dot } },
        }),
        {
          ...markdown(`<base href="//away">${bad}`),
          cell_type: 'raw',
          metadata: { raw_mimetype: 'text/html' },
        },
      ]);
      const [head, body] = page.split('<body>');
      const written = body.replace(/<script>[\s\S]*?<\/script>/g, ''); // plotly, and our own
      expect(written).not.toMatch(
        /<(meta|base|form|input|iframe)\b|<a [^>]*javascript:|<img [^>]*src="(?!data:)/,
      );
      expect(head.match(/<meta /g)).toHaveLength(4);
      expect(body).toContain('[an output of type image/png: not shown here]');
    }));

  it('takes images from its folder and below, not from elsewhere, nor through links', async () =>
    inFolder(async (folder) => {
      await mkdir(join(folder, 'book', 'below'), { recursive: true });
      for (const name of ['secret.png', 'book/below/own.png'])
        await writeFile(join(folder, name), Buffer.from(dot, 'base64'));
      await symlink(join(folder, 'secret.png'), join(folder, 'book', 'link.png'));
      const source = '![up](../secret.png) ![link](link.png) ![own](below/own.png) ![%](%E0.png)';
      const page = await pageOf(folder, [markdown(source)]);
      expect(page.match(/data:image\/png/g)).toHaveLength(1);
      for (const lost of ['up', 'link', '%']) expect(page).toContain(`[image not shown: ${lost}]`);
    }));

  it('writes images under safe names beside a Markdown page', async () =>
    inFolder(async (folder) => {
      const page = await pageOf(
        folder,
        [
          markdown('![t](attachment:a)', {
            id: '../escaped/evil',
            attachments: { a: { 'image/sh': dot, 'image/png': dot } },
          }),
          shown({ 'image/svg+xml': '<svg/>' }, { id: '../escaped/evil2' }),
        ],
        'md',
      );
      expect(await readdir(folder)).toEqual(['book', 'page.md', 'page_files']);
      expect(await readdir(join(folder, 'page_files'))).toEqual([
        '-escaped-evil-1.png',
        '-escaped-evil2-2.svg',
      ]);
      expect(page).toContain('![t](page_files/-escaped-evil-1.png)');
    }));

  it('shows attachments in HTML and raw cells, and a note for each output that it cannot draw', async () =>
    inFolder(async (folder) => {
      const page = await pageOf(folder, [
        markdown('<img src="attachment:a.png" width="10">', {
          attachments: { 'a.png': { 'image/png': dot } },
        }),
        { ...markdown('<b>raw</b>'), cell_type: 'raw', metadata: { raw_mimetype: 'text/html' } },
        { ...markdown('\\foo'), cell_type: 'raw', metadata: { raw_mimetype: 'text/latex' } },
        shown({ 'application/vnd.jupyter.widget-view+json': {}, 'text/plain': 'IntSlider(value=3)' }),
        shown({ 'application/vnd.jupyter.widget-view+json': {} }),
        shown({ 'application/vnd.vegalite.v5+json': {} }),
        shown({ 'application/pdf': 'JVBERi0=' }),
        shown({ 'application/json': { a: 1 } }),
      ]);
      for (const part of [
        `<img src="data:image/png;base64,${dot}" width="10"`,
        '<b>raw</b>',
        '[raw cell of type text/latex: left out]',
        'IntSlider(value=3)',
        '[a widget (needs a running kernel): not shown here]',
        '[a Vega-Lite chart (save it with a PNG or SVG): not shown here]',
        '[a PDF document: not shown here]',
        '&quot;a&quot;: 1',
      ])
        expect(page).toContain(part);
    }));

  it('hands on a PDF by a name, in HTML to be saved, beside a Markdown page', async () =>
    inFolder(async (folder) => {
      const pdf = Buffer.from('%PDF-1.4\n%%EOF\n').toString('base64');
      expect(await pageOf(folder, [shown({ 'application/pdf': pdf, 'text/plain': '<Figure>' })])).toContain(
        `<a download="in-1.pdf" href="data:application/pdf;base64,${pdf}">in-1.pdf</a> (PDF, 1 kB)`,
      );
      const page = await pageOf(folder, [shown({ 'application/pdf': pdf })], 'md');
      expect(page).toContain('[a-1.pdf](page_files/a-1.pdf) (PDF)');
      expect(await readFile(join(folder, 'page_files', 'a-1.pdf'), 'base64')).toBe(pdf);
    }));

  it('says in Markdown, too, which image is not there', async () =>
    inFolder(async (folder) => {
      const source = [
        '![a map](gone.png) ![](figures/plot.pdf "A plot") <img alt="" src="attachment:lost.png">',
        '![web](https://example.org/x.png) <img src="https://example.org/y.png">',
      ].join('\n\n');
      expect(await pageOf(folder, [markdown(source)], 'md')).toBe(
        `*[image not shown: a map]* *[image not shown: plot.pdf]* *[image not shown: attachment:lost.png]*\n\n${source.split('\n\n')[1]}\n`,
      );
      expect(await pageOf(folder, [markdown(source)])).toContain('[image not shown: plot.pdf]');
    }));

  it('is refused where its cells are not what they should be, each by number', async () =>
    inFolder(async (folder) => {
      const cell = { cell_type: 'code', metadata: {}, source: '' };
      await expect(
        pageOf(folder, [
          { ...cell, outputs: 5 },
          { ...cell, outputs: [null] },
          { ...cell, metadata: [] },
        ]),
      ).rejects.toThrow(
        /cell 1: its outputs are no list.*\n.*cell 2: its output 1 .*\n.*cell 3: its metadata/,
      );
    }));

  it('folds or leaves out code, and leads to the other pages', async () =>
    inFolder(async (folder) => {
      const one = await writeNotebookFile(folder, 'one.ipynb', [
        { source: '# First\n\n[second](two.ipynb#end)', markdown: true },
        { source: 'hiddenWork()', outputs: [{ output_type: 'stream', name: 'stdout', text: 'kept' }] },
      ]);
      const pages = [
        { notebook: 'one.ipynb', page: 'one.html', title: 'First' },
        { notebook: 'two.ipynb', page: 'two.html', title: 'Second & last' },
      ];
      const written = async (code: 'fold' | 'none'): Promise<string> => {
        await exportNotebook(one, join(folder, 'one.html'), { code, pages });
        return readFile(join(folder, 'one.html'), 'utf8');
      };
      expect(await written('fold')).toContain('<details class="source"><summary>');
      const bare = await written('none');
      expect(bare).not.toContain('hiddenWork');
      expect(bare).toContain('kept');
      expect(bare).toContain('<a href="two.html#end">second</a>');
      expect(bare).toContain('<a href="two.html">Second &amp; last →</a>');
    }));
});

describe('a long page', () => {
  it.skipIf(findChromium() === undefined)(
    'is searched: what does not hold the words is hidden, folded code that does is opened',
    async () =>
      inFolder(async (folder) => {
        const path = await writeNotebookFile(folder, 'long.ipynb', [
          ...['# Title', '## Red edge', '## Near infrared', '## Clouds'].map((source) => ({
            ...{ source, markdown: true },
          })),
          { source: 'const infrared = 1;', tags: ['hide-input'] },
        ]);
        await exportNotebook(path, join(folder, 'long.html'));
        const running = await startChromium();
        try {
          const page = await running.newPage();
          await page.goto(pathToFileURL(join(folder, 'long.html')).href);
          await page.getByLabel('Search this page').fill('INFRARED');
          // the title keeps its place, with the search beneath it
          expect(await page.locator('main > section:visible').count()).toBe(3);
          expect(await page.locator('details[open]').count()).toBe(1);
          expect(await page.locator('search output').textContent()).toBe('2 of 4 parts');
          await page.getByLabel('Search this page').fill('');
          expect(await page.locator('main > section:visible').count()).toBe(5);
        } finally {
          await running.close();
        }
      }),
    60_000,
  );
});

describe('an index of pages', () => {
  const browser = findChromium();
  it.skipIf(browser === undefined)(
    'finds pages by what is written in them',
    async () =>
      inFolder(async (folder) => {
        const sources = { a: '# Alpha\n\nred edge', b: '# Beta\n\nnear infrared </script>' };
        const pages = await Promise.all(
          Object.entries(sources).map(async ([name, source]) => {
            const content = await readNotebook(
              await writeNotebookFile(folder, `${name}.ipynb`, [{ source, markdown: true }]),
            );
            return {
              notebook: `${name}.ipynb`,
              page: `${name}.html`,
              title: source.slice(2, 7).trim(),
              text: searchableText(content),
            };
          }),
        );
        await writeFile(join(folder, 'index.html'), indexPage(pages));
        const running = await startChromium();
        try {
          const page = await running.newPage();
          await page.goto(pathToFileURL(join(folder, 'index.html')).href);
          await page.getByRole('searchbox').fill('infra NEAR');
          await expect.poll(() => page.locator('#pages > li:visible').allInnerTexts()).toHaveLength(1);
          expect(await page.locator('#pages > li:visible').innerText()).toContain('Beta');
          expect(await page.locator('output').innerText()).toBe('1 of 2 pages');
        } finally {
          await running.close();
        }
      }),
    60_000,
  );
});

describe('sanitise', () => {
  it('takes out what runs or loads and keeps what is shown', () => {
    const dangers = [
      '<img src=x onerror=alert(1)>',
      '<a href="javascript:alert(1)">x</a>',
      '<iframe src="https://example.org"></iframe>',
      '<svg><script>alert(1)</script></svg>',
      '<form action="https://example.org"><input></form>',
      '<style>@import url(https://example.org)</style>',
      '<img src="//example.org/a.png">',
    ];
    for (const danger of dangers)
      expect(sanitise(danger)).not.toMatch(/alert|example\.org|javascript|onerror/);
    const kept = '<details open=""><summary>s</summary><progress value="1" max="2"></progress></details>';
    expect(sanitise(kept)).toBe(kept.replace('open=""', 'open'));
  });
});

describe('command line', () => {
  it('exports several notebooks into a folder', async () =>
    inFolder(async (folder) => {
      const one = await writeNotebookFile(folder, 'one.ipynb', [cells[3]]);
      const two = await writeNotebookFile(folder, 'two.ipynb', [cells[3]]);
      const main = new URL('../../dist/cli/main.js', import.meta.url).pathname;
      const printed = execFileSync(
        process.execPath,
        [main, 'notebook', 'export', one, two, '--out', join(folder, 'pages'), '--json', '--quiet'],
        { encoding: 'utf8' },
      );
      expect(JSON.parse(printed)).toEqual({
        pages: [one, two].map((notebook, index) => ({
          notebook,
          files: [join(folder, 'pages', `${['one', 'two'][index]}.html`)],
        })),
        index: join(folder, 'pages', 'index.html'),
      });
      expect(await readdir(join(folder, 'pages'))).toEqual(['index.html', 'one.html', 'two.html']);
    }));
});
