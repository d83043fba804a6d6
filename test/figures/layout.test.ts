import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fontFiles, textWidth } from '../../src/figures/static/figure-font.js';
import { isPlotlyFigure, type PlotlyFigure } from '../../src/figures/static/plain-figure.js';
import { renderFigure } from '../../src/figures/static/render-figure.js';
import { packageRoot } from '../../src/notebook/package-root.js';
import { readNotebook } from '../../src/notebook/read-notebook.js';
import { analyse } from '../../src/temporal/analyse.js';
import { analysisFigures } from '../../src/temporal/analysis-figures.js';
import { mgrsPlaces, simulateCatalog } from '../../src/temporal/simulate.js';
import { findChromium, startChromium, textFaults } from '../chromium.js';
import { modelFigures } from './model-figures.js';

const filesIn = (folder: string, ending: string): string[] =>
  readdirSync(join(packageRoot, folder)).filter((name) => name.endsWith(ending));

const svgOf = async (figure: PlotlyFigure): Promise<string> =>
  Buffer.from(await renderFigure(figure, { format: 'svg' })).toString('utf8');

const figuresOf = async (notebook: string): Promise<PlotlyFigure[]> =>
  (await readNotebook(join(packageRoot, 'notebooks', notebook))).cells
    .flatMap(({ outputs = [] }) => outputs)
    .flatMap((output) => ('data' in output ? [output.data['application/vnd.plotly.v1+json']] : []))
    .filter(isPlotlyFigure);

const report = (): PlotlyFigure[] => {
  const catalog = simulateCatalog(mgrsPlaces(['13TDE', '31UFP']), { period: { from: 19_723, to: 19_823 } });
  return analysisFigures(analyse(catalog, { sensors: ['s2', 'gf1'] })).map(({ figure }) => figure);
};

if (findChromium() === undefined) console.warn('no Chromium here: figures are not laid out');
describe.skipIf(findChromium() === undefined)('every figure has its text on it, none over another', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startChromium();
  }, 60_000);
  afterAll(() => browser.close());

  /** Faults of SVG files shown across the window, on a light and on a dark page. */
  const faultsOf = async (svgs: readonly string[]): Promise<string[]> => {
    const found = new Set<string>();
    for (const colorScheme of ['light', 'dark'] as const) {
      const page = await browser.newPage({ colorScheme });
      await page.setContent(
        `<!doctype html><meta name="color-scheme" content="light dark"><style>svg.file{width:100%;height:auto}</style>${svgs.join('')}`,
      );
      await page.evaluate(() => {
        for (const svg of document.querySelectorAll('body > svg')) svg.setAttribute('class', 'file');
      });
      for (const width of [390, 760, 1400]) {
        await page.setViewportSize({ width, height: 900 });
        for (const fault of await textFaults(page, 'svg.file')) found.add(`${fault}, ${width} px`);
        // dark text on a page that may be dark: the ground is the figure's own
        const grounds = await page.evaluate(() =>
          [...document.querySelectorAll('svg.file > rect:first-of-type')].map(
            (ground) => getComputedStyle(ground).fill,
          ),
        );
        expect(grounds).toEqual(svgs.map(() => 'rgb(255, 255, 255)'));
      }
      await page.close();
    }
    return [...found];
  };

  it('measures text as a browser does in the same font', async () => {
    const page = await browser.newPage();
    const [font] = fontFiles();
    await page.setContent(
      `<style>@font-face{font-family:f;src:url(data:font/ttf;base64,${font.toString('base64')})}text{font:20px f}</style><svg><text></text></svg>`,
    );
    for (const text of [
      'RMSE [reflectance × 10⁴]',
      'AVATAR To We',
      'unet-lut-conv-tv, −1.5',
      'λ ≥ ±2 °C → σ²',
    ]) {
      const width = await page.evaluate(async (content) => {
        const element = document.querySelector('text')!;
        element.textContent = content;
        await document.fonts.load('20px f');
        return element.getComputedTextLength();
      }, text);
      expect(textWidth(text, 20, { bold: false, italic: false }), text).toBeCloseTo(width, 0);
    }
    await page.close();
  });

  it.each(filesIn('notebooks', '.ipynb'))('%s', { timeout: 240_000 }, async (notebook) => {
    const figures = await figuresOf(notebook);
    expect(figures.length).toBeGreaterThan(0);
    const svgs: string[] = [];
    for (const figure of figures) svgs.push(await svgOf(figure));
    expect(await faultsOf(svgs)).toEqual([]);
  });

  it('results/*.svg', { timeout: 240_000 }, async () => {
    const files = filesIn('results', '.svg');
    const svgs = await Promise.all(files.map((name) => readFile(join(packageRoot, 'results', name), 'utf8')));
    expect(await faultsOf(svgs)).toEqual([]);
  });

  it('a temporal report', { timeout: 240_000 }, async () => {
    expect(await faultsOf(await Promise.all(report().map(svgOf)))).toEqual([]);
  });

  it('figures of models', { timeout: 240_000 }, async () => {
    expect(await faultsOf(await Promise.all(Object.values(modelFigures).map(svgOf)))).toEqual([]);
  });
});
