import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exportNotebook } from '../../src/notebook/export/export-notebook.js';
import { packageRoot } from '../../src/notebook/package-root.js';
import { readNotebook } from '../../src/notebook/read-notebook.js';
import { findChromium, startChromium } from '../chromium.js';
import { inFolder } from './notebook-files.js';

const folder = join(packageRoot, 'notebooks');
const names = readdirSync(folder).filter((name) => name.endsWith('.ipynb'));

describe('the notebooks of this repository', () => {
  it.each(names)('%s was executed whole, from top to bottom, and is small', async (name) => {
    const text = await readFile(join(folder, name), 'utf8');
    expect(text.length).toBeLessThan(2_000_000);
    const { cells } = await readNotebook(join(folder, name));
    const code = cells.filter(({ cell_type: type }) => type === 'code');
    expect(code.map(({ execution_count: count }) => count)).toEqual(code.map((_, index) => index + 1));
    // they read like a paper: no code has come to stand in the text, and what is long is a function of the package
    const prose = cells
      .filter(({ cell_type: type }) => type === 'markdown')
      .map(({ source }) => source.replaceAll(/^```[\s\S]*?^```/gm, ''));
    for (const text of prose) expect(text).not.toMatch(/^(const|let|import|await|display|if|for)\b.*[;({]$/m);
    const lines = code
      .flatMap(({ source }) => source.split('\n'))
      .filter((line) => /^\s*(?!\/\/)\S/.test(line));
    expect(lines.length).toBeLessThanOrEqual(40);
    const outputs = code.flatMap((cell) => cell.outputs ?? []);
    expect(outputs.filter(({ output_type: type }) => type === 'error')).toEqual([]);
    for (const output of outputs)
      if (output.output_type === 'display_data' && 'application/vnd.plotly.v1+json' in output.data)
        expect(output.data).toMatchObject({
          'image/png': expect.any(String),
          'text/plain': expect.any(String),
        });
    // what a machine's folders or times would change
    expect(JSON.stringify(outputs)).not.toMatch(/\/(home|root|tmp|Users)\//);
  });

  const executable = findChromium();
  if (executable === undefined) console.warn('no Chromium here: the pages of the notebooks are not opened');
  describe.skipIf(executable === undefined)('as pages', () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await startChromium();
    }, 60_000);
    afterAll(() => browser.close());

    it.each(names)(
      '%s draws all its figures, quietly and offline, and answers a click',
      { timeout: 120_000 },
      async (name) =>
        inFolder(async (into) => {
          const file = join(into, 'page.html');
          await exportNotebook(join(folder, name), file);
          const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
          const complaints: string[] = [];
          const requests: string[] = [];
          page.on('request', (request) => requests.push(request.url()));
          page.on(
            'console',
            (message) => void (message.type() === 'error' && complaints.push(message.text())),
          );
          page.on('pageerror', (error) => complaints.push(error.message));
          const address = pathToFileURL(file).href;
          await page.goto(address);
          const figures = await page.locator('figure .plot').count();
          expect(figures).toBeGreaterThan(0);
          await page.waitForFunction(
            (count) =>
              document.querySelectorAll('.js-plotly-plot .main-svg').length >= count &&
              document.querySelectorAll('figure > img').length === 0,
            figures,
          );
          // every trace has marks, lines, bars or pixels of its own
          const empty = await page.evaluate(
            () =>
              [...document.querySelectorAll('.js-plotly-plot')].filter(
                (plot) => !plot.querySelector('.trace, .heatmaplayer image, .imagelayer image, .hm'),
              ).length,
          );
          expect(empty).toBe(0);
          const button = page.locator('.modebar-btn[data-title="Zoom in"]').first();
          const range = (): Promise<string> =>
            page.evaluate(() => {
              const plot = document.querySelector('.js-plotly-plot') as unknown as {
                layout: { xaxis: { range: unknown } };
              };
              return JSON.stringify(plot.layout.xaxis.range);
            });
          const before = await range();
          await page.locator('.js-plotly-plot').first().hover();
          await button.click();
          await expect.poll(range).not.toBe(before);
          expect(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth)).toBe(
            true,
          );
          expect(complaints).toEqual([]);
          expect(requests.filter((url) => !/^(data|blob):/.test(url))).toEqual([address]);
          await page.close();
        }),
    );
  });
});
