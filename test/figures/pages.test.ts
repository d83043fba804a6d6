import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodePng } from '../../src/figures/encode-png.js';
import { figurePage } from '../../src/figures/page.js';
import { qualityHtml } from '../../src/scenes/quality-html.js';
import { changesOf, uncertaintyPicture } from '../../src/scenes/quality-pictures.js';
import { analyse } from '../../src/temporal/analyse.js';
import { analysisFigures } from '../../src/temporal/analysis-figures.js';
import { reportPage } from '../../src/temporal/report.js';
import { mgrsPlaces, simulateCatalog } from '../../src/temporal/simulate.js';
import { findChromium, startChromium, textFaults } from '../chromium.js';
import { modelFigures } from './model-figures.js';

const report = (): Promise<string> => {
  const catalog = simulateCatalog(mgrsPlaces(['13TDE', '31UFP']), { period: { from: 19_723, to: 19_823 } });
  const analysis = analyse(catalog, { sensors: ['s2', 'gf1'], bootstrap: { draws: 50 } });
  return reportPage(analysis, analysisFigures(analysis));
};

const scene = async (): Promise<string> => {
  const statistics = {
    ...{ n: 1000, below: 0, above: 0.01, mean: 1200, sd: 500, min: 0, max: 3000 },
    percentiles: { p1: 100, p5: 300, p95: 2400, p99: 2800 },
  };
  const histogram = Array.from({ length: 128 }, (_, bin) => Math.exp(-(((bin - 40) / 12) ** 2)) / 21);
  return qualityHtml(
    {
      scene: 'S2A_MSIL2A_20240709T174911_N0510_R141_T13TDE_20240709T232556_aligned',
      warnings: ['nir: 12 % of the pixels lie outside the LUT'],
      bands: ['blue', 'nir'].map((name) => ({
        ...{ name, bandMax: 6500, valid: 0.9, nodata: 0.05, masked: 0.05 },
        ...{ before: statistics, after: statistics, histogramBefore: histogram, histogramAfter: histogram },
        ...{ distance: { value: 3, largestSeen: 4, rank: 0.5 }, expectedError: 40 },
      })),
      farFromTraining: false,
    },
    {
      scene: encodePng(new Uint8Array(3 * 64 * 48).fill(120), 64, 48),
      uncertainty: uncertaintyPicture({
        ...{ width: 64, height: 48 },
        bands: [Uint16Array.from({ length: 64 * 48 }, (_, i) => 100 + (i % 64))],
      }),
      changes: changesOf({ form: 'affine', slope: [0.9, 1.1], intercept: [20, -30] }, [
        statistics,
        statistics,
      ]),
    },
    {
      weights: `outputs/${'a-long-name/'.repeat(12)}best.safetensors`,
      experiment: { model: { kind: 'unet-lut' } },
    },
  );
};

const pages: Record<string, () => Promise<string>> = {
  'figures of models': () =>
    figurePage(
      'Figures',
      Object.entries(modelFigures).map(([heading, figure]) => ({ heading, figure })),
    ),
  'a temporal report': report,
  'the quality of a scene': scene,
};

if (findChromium() === undefined) console.warn('no Chromium here: pages are not opened');
describe.skipIf(findChromium() === undefined)('a page fits its window', () => {
  let browser: Browser;
  let folder = '';
  beforeAll(async () => {
    browser = await startChromium();
    folder = await mkdtemp(join(tmpdir(), 'pages-'));
  }, 60_000);
  afterAll(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });

  it.each(Object.entries(pages))('%s', { timeout: 240_000 }, async (name, make) => {
    const html = await make();
    expect(html.length).toBeLessThan(2_000_000);
    const file = join(folder, `${name}.html`);
    await writeFile(file, html);
    const faults: string[] = [];
    for (const [width, colorScheme] of [
      [390, 'light'],
      [760, 'dark'],
      [1400, 'light'],
    ] as const) {
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
      page.on('pageerror', (error) => faults.push(`${width} px: ${error.message}`));
      await page.goto(pathToFileURL(file).href);
      const figures = await page.locator('.figure').count();
      await page.waitForFunction(
        (count) => document.querySelectorAll('.js-plotly-plot .main-svg').length >= 3 * count,
        figures,
        { timeout: 120_000 },
      );
      for (const fault of await textFaults(page, '.js-plotly-plot, figure > svg'))
        faults.push(`${width} px: ${fault}`);
      const [wide, ground] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        getComputedStyle(document.body).colorScheme,
      ]);
      if (Number(wide) > width) faults.push(`${width} px: the page is ${wide} px wide`);
      expect(ground).toBe('normal'); // black on white, whatever the reader prefers
      expect(await page.locator('.modebar-btn[data-title^="Share"]').count()).toBe(0);
      if (process.env['BANDALIGN_TEST_SCREENSHOTS'])
        await page.screenshot({
          path: join(process.env['BANDALIGN_TEST_SCREENSHOTS'], `${name}-${width}.png`),
          fullPage: true,
        });
      await page.close();
    }
    expect(faults).toEqual([]);
  });
});
