import { execFileSync } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, it } from 'vitest';
import { exportNotebook } from '../../src/notebook/export/export-notebook.js';
import { sanitise } from '../../src/notebook/export/sanitise.js';
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
      expect(page.match(/plotly\.js v\d/g)).toHaveLength(1);
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
      });
      expect(await readdir(join(folder, 'pages'))).toEqual(['one.html', 'two.html']);
    }));
});
