import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ExplorerChoice, explorerCounts } from '../../src/figures/temporal/explorer-counts.js';
import type { Catalog } from '../../src/temporal/acquisition.js';
import { analyse } from '../../src/temporal/analyse.js';
import { analysisFigures } from '../../src/temporal/analysis-figures.js';
import { dayOf, parseTime } from '../../src/temporal/days.js';
import { explorerData, exploreTemporal } from '../../src/temporal/explore.js';
import { reportPage } from '../../src/temporal/report.js';
import { mgrsPlaces, simulateCatalog } from '../../src/temporal/simulate.js';
import { findChromium, startChromium } from '../chromium.js';

const day = (text: string): number => dayOf(parseTime(text)!);
const year = { from: day('2023-01-01'), to: day('2024-12-31') };
const simulated = simulateCatalog(mgrsPlaces(['13TDE', '13TEE', '13TDF', '31UFP']), { period: year });

describe('what the explorer counts', () => {
  it('is what the analysis counts, for any threshold, period and sensors', () => {
    for (const threshold of [0, 0.35, 0.7, 0.9, 1])
      for (const period of [year, { from: day('2023-05-17'), to: day('2024-02-29') }]) {
        const analysis = analyse(simulated, { sensors: ['s2', 'gf1'], threshold, ...year });
        const { count } = explorerCounts(explorerData(analysis));
        const { statistics } = analyse(simulated, { sensors: ['s2', 'gf1'], threshold, ...period });
        [...statistics].forEach(([tile, bySet], index) => {
          for (const [set, sensors] of [
            ['s2', [true, false]],
            ['gf1', [false, true]],
            ['s2+gf1', [true, true]],
          ] as const) {
            const found = count(index, { threshold: threshold * 100, ...period, months: [0, 11], sensors });
            const { n, nClear, gaps, gapsWithEdges } = bySet.get(set)!;
            expect([tile, set, found.days.length, found.clearDays.length]).toEqual([tile, set, n, nClear]);
            expect(found.gaps).toHaveLength(gaps.count);
            expect(found.mean ?? 0).toBeCloseTo(gaps.mean ?? 0, 9);
            expect([found.median, found.longest]).toEqual([gaps.median, gapsWithEdges.max]);
          }
        });
      }
  });

  it('lets no gap reach from one season into the next', () => {
    const at = (text: string) => ({
      ...{ tile: 'A', platform: 's2a', time: parseTime(text)!, clear: 1 },
    });
    const days = ['2023-01-10', '2023-11-05', '2023-12-01', '2024-01-20', '2024-06-01', '2024-12-25'];
    const catalog: Catalog = {
      ...{ acquisitions: days.map(at), outlines: new Map(), simulated: false, notes: [] },
    };
    const { count } = explorerCounts(explorerData(analyse(catalog, year)));
    const winter: ExplorerChoice = { threshold: 70, ...year, months: [10, 1], sensors: [true] };
    const { gaps, clearDays, longest } = count(0, winter);
    expect(clearDays).toHaveLength(5);
    // 11-05 to 12-01 and on to 01-20; nothing from January to November, nothing over the summer
    expect(gaps.map(({ from, to }) => to - from)).toEqual([26, 50]);
    // the last winter: 2024-11-01 to 12-25
    expect(longest).toBe(54);
    // a month on each side of the year's end
    expect(count(0, { ...winter, months: [11, 0] }).gaps.map(({ from, to }) => to - from)).toEqual([50]);
  });
});

if (findChromium() === undefined) console.warn('no Chromium here: the explorer is not used');
describe.skipIf(findChromium() === undefined)('the explorer in a browser', { timeout: 120_000 }, () => {
  let browser: Browser;
  let folder = '';
  let path = '';
  beforeAll(async () => {
    browser = await startChromium();
    folder = await mkdtemp(join(tmpdir(), 'explorer-'));
    const analysis = analyse(simulated, { sensors: ['s2', 'gf1'], ...year, bootstrap: { draws: 50 } });
    path = join(folder, 'report.html');
    await writeFile(path, await reportPage(analysis, analysisFigures(analysis)));
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  const open = async (width = 1100): Promise<Page> => {
    const page = await browser.newPage({ viewport: { width, height: 1000 }, hasTouch: width < 500 });
    page.setDefaultTimeout(20_000);
    const faults: string[] = [];
    page.on('pageerror', ({ message }) => faults.push(message));
    // nothing is asked of a network
    page.on('request', (request) => {
      if (!/^(file|data|blob):/.test(request.url())) faults.push(request.url());
    });
    await page.goto(pathToFileURL(path).href);
    await page.locator('.bandalign-explorer .numbers tbody tr').first().waitFor();
    expect(faults).toEqual([]);
    return page;
  };
  /** The row `together` of the table: days seen and clear, mean, median and longest gap. */
  const together = async (page: Page): Promise<string[]> =>
    page.locator('.numbers tbody tr').last().locator('td').allTextContents();
  const expected = (
    tile: string,
    options: { threshold?: number; from?: number; to?: number; sensors?: string[] },
  ): string[] => {
    const { statistics, sensors } = analyse(simulated, { sensors: ['s2', 'gf1'], ...year, ...options });
    const { n, nClear, gaps, gapsWithEdges } = statistics.get(tile)!.get(sensors.join('+'))!;
    const text = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(1));
    return [n, nClear, gaps.mean!, gaps.median!, gapsWithEdges.max!].map(text);
  };

  it('goes from the map to the tile, its calendar and its histogram, and back', async () => {
    const page = await open();
    expect(await together(page)).toEqual(expected('13TDE', {}));
    await page.locator('.map [data-tile="3"]').click();
    expect(await page.locator('.when h3').textContent()).toBe('When: 31UFP');
    expect(await page.getByLabel('Tile', { exact: true }).inputValue()).toBe('3');
    expect(await together(page)).toEqual(expected('31UFP', {}));
    // a bar of the histogram shows its gaps in the calendar
    const bar = page.locator('.gaps .bar').last();
    const length = Number(await bar.getAttribute('data-gap'));
    await bar.click();
    const gaps = await page.locator('.gaps .said').textContent();
    const [count] = /^\d+/.exec(gaps!)!;
    expect(gaps).toContain(`last ${length} days`);
    expect(await page.locator('.calendar .band').count()).toBe((length - 1) * Number(count));
    // and a day in a gap its bar
    await page.locator('.gaps .bar.chosen').click();
    expect(await page.locator('.calendar .band').count()).toBe(0);
    await page.locator('.calendar .hit').nth(200).click();
    await page.locator('.when .said', { hasText: /^2023-07-20: / }).waitFor();
    await page.close();
  });

  it('answers threshold, sensors, season and dates', async () => {
    const page = await open();
    const slider = page.getByLabel(/Clear from/);
    await slider.fill('35');
    expect(await together(page)).toEqual(expected('13TDE', { threshold: 0.35 }));
    await page.getByLabel('GF-1 WFV').uncheck();
    expect(await together(page)).toEqual(expected('13TDE', { threshold: 0.35, sensors: ['s2'] }));
    // the last sensor stays
    await page.getByLabel('Sentinel-2').click();
    expect(await page.getByLabel('Sentinel-2').isChecked()).toBe(true);
    await page.getByLabel('First day').fill('2023-05-17');
    await page.getByLabel('Last day').fill('2023-11-30');
    const from = day('2023-05-17');
    const to = day('2023-11-30');
    expect(await together(page)).toEqual(expected('13TDE', { threshold: 0.35, sensors: ['s2'], from, to }));
    await page.getByLabel('First month').selectOption('Jun');
    await page.getByLabel('Last month').selectOption('Jul');
    const summer = { from: day('2023-06-01'), to: day('2023-07-31') };
    expect(await together(page)).toEqual(expected('13TDE', { threshold: 0.35, sensors: ['s2'], ...summer }));
    expect(await page.locator('.calendar .hit').count()).toBe(61);
    await page.getByRole('button', { name: 'Reset', exact: true }).click();
    expect(await together(page)).toEqual(expected('13TDE', {}));
    await page.getByRole('button', { name: 'All tiles' }).click();
    const all = [...analyse(simulated, { sensors: ['s2', 'gf1'], ...year }).statistics.values()];
    const sum = all.reduce((total, bySet) => total + bySet.get('s2+gf1')!.gaps.count, 0);
    expect(await page.locator('.gaps .said').textContent()).toContain(`${sum} gaps in all tiles`);
    await page.close();
  });

  it('is worked with the keyboard alone', async () => {
    const page = await open();
    await page.locator('.map').focus();
    await page.keyboard.press('ArrowRight');
    expect(await page.locator('.when h3').textContent()).toBe('When: 13TEE');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('ArrowUp');
    expect(await page.locator('.when h3').textContent()).toBe('When: 13TDF');
    await page.locator('.calendar').focus();
    for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown']) await page.keyboard.press(key);
    expect(await page.locator('.when .said').textContent()).toMatch(/^2023-02-02: /);
    await page.locator('.histogram').focus();
    await page.keyboard.press('Escape');
    await page.keyboard.press('ArrowRight');
    const shortest = await page.locator('.gaps .bar.chosen').getAttribute('data-gap');
    await page.keyboard.press('ArrowRight');
    const next = await page.locator('.gaps .bar.chosen').getAttribute('data-gap');
    expect(Number(next)).toBeGreaterThan(Number(shortest));
    await page.keyboard.press('Escape');
    expect(await page.locator('.gaps .bar.chosen').count()).toBe(0);
    await page.close();
  });

  it('fits a phone, where it is tapped, and weighs less than 2 MB', async () => {
    const page = await open(390);
    const width = () => page.evaluate('document.documentElement.scrollWidth') as Promise<number>;
    expect(await width()).toBeLessThanOrEqual(390);
    await page.locator('.map [data-tile="3"]').tap();
    expect(await page.locator('.when h3').textContent()).toBe('When: 31UFP');
    await page.locator('.calendar .hit').first().tap();
    expect(await page.locator('.when .said').textContent()).toMatch(/^2023-01-01: /);
    expect((await stat(path)).size).toBeLessThan(2e6);
    await page.close();
  });

  it('shows names of catalogs as text', async () => {
    const tile = '<img src=x onerror=document.title=1>';
    const acquisitions = [1, 4, 9].map((at) => ({
      ...{ tile, platform: 's2a', time: at * 86_400_000, clear: null },
    }));
    const bundle = await exploreTemporal({
      ...{ acquisitions, outlines: new Map(), simulated: false, notes: [] },
    }).toMimeBundle();
    const page = await browser.newPage();
    await page.setContent(`<title>safe</title>${bundle['text/html'] as string}`);
    await page.locator('.when h3', { hasText: tile }).waitFor();
    await page.locator('.map', { hasText: 'do not tell where the tiles lie' }).waitFor();
    expect(await page.title()).toBe('safe');
    expect(await page.locator('img').count()).toBe(0);
    await page.close();
  });
});
