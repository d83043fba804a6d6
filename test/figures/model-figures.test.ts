import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Layout } from '../../src/figures/figure.js';
import { lossCurves } from '../../src/figures/loss-curves.js';
import { commonStretch } from '../../src/figures/patch-rgb.js';
import { plotlyScript } from '../../src/figures/static/plotly-scripts.js';
import { bandColour, okabeIto } from '../../src/figures/theme.js';
import { findChromium, startChromium } from '../chromium.js';
import { modelFigures as figures, image, joint } from './model-figures.js';

describe('figures of models', () => {
  it('errors of a narrow range lie on a plain axis, where a logarithmic one may have no tick', () => {
    const axis = (train: number[]): unknown =>
      lossCurves([{ label: 'a', epochs: [1, 2], train, validated: [], val: [] }]).layout['yaxis'];
    expect(axis([60 ** 2, 75 ** 2])).not.toHaveProperty('type');
    expect(axis([60 ** 2, 0])).not.toHaveProperty('type');
    expect(axis([60 ** 2, 750 ** 2])).toMatchObject({ type: 'log', tickvals: [50, 100, 200, 500] });
  });

  it.each(Object.entries(figures))('%s is plain JSON with a title and units on its axes', (name, figure) => {
    expect(JSON.parse(JSON.stringify(figure.data))).toEqual(figure.data);
    const { title, ...layout } = figure.layout;
    expect(title).toMatchObject({ text: expect.stringMatching(/\w/) });
    // axes of names and of months have none
    for (const letter of name === 'months' ? [] : ['intervals', 'seeds'].includes(name) ? ['x'] : ['x', 'y'])
      expect(
        Object.entries(layout)
          .filter(([key]) => key.startsWith(`${letter}axis`))
          .some(([, axis]) =>
            /10⁴|%|pixels|epoch|date|NDVI|km/.test(JSON.stringify((axis as Layout)['title'] ?? '')),
          ),
      ).toBe(true);
  });

  it('count what lies inside, and say what lies outside', () => {
    expect(joint.outside).toBe(1);
    const [{ z, x0, dx, y0 }] = figures['density'].data;
    expect({ x0, dx, y0 }).toEqual({ x0: 5, dx: 10, y0: 5 });
    expect(z).toEqual([
      [0.3, ...new Array(9).fill(null)],
      [...new Array(9).fill(null), 0],
    ]);
  });

  it('draw a LUT where its tile has pixels, with a gap where it has none', () => {
    const [first] = figures['tiles'].data;
    expect(first).toMatchObject({ x: [300, 400, 500, 600], y: [10, 10, null, 10] });
    const added = figures['luts'].data.filter(({ name }) => name === 'T1');
    expect(added[0]['y']).toEqual([10, 10, null, 10]);
    expect(figures['luts'].data.some(({ name }) => String(name).includes('(oracle)'))).toBe(true);
  });

  it('give shares of 100 % for each band', () => {
    for (const { y } of figures['histograms'].data)
      expect((y as number[]).reduce((sum, share) => sum + share, 0)).toBeCloseTo(100, 1);
  });

  it('give distances as the share of tiles, NaN left out', () => {
    const [{ x, y }] = figures['ecdf'].data;
    expect([(x as number[])[0], (x as number[])[50], (x as number[])[100]]).toEqual([1, 2, 3]);
    expect((y as number[])[100]).toBe(100);
  });

  it('sum errors by the reflectance of the target, masked pixels aside', () => {
    const [rmse, bias, pixels] = figures['errors'].data;
    expect([rmse['x'], rmse['y'], bias['y'], pixels['y']]).toEqual([[50], [3], [3], [100]]);
  });

  it('set what was stated beside what came', () => {
    const [spread, coverage] = figures['calibration'].data;
    expect((spread['x'] as number[]).slice(4, 6)).toEqual([1, 5]);
    expect((spread['y'] as number[]).slice(4, 6)).toEqual([1, 10]);
    // |1| is one deviation: inside from the 68.3 % interval on; |10| is two: from the 95.4 % interval on
    const inside = coverage['y'] as number[];
    expect(inside.slice(12, 14)).toEqual([0, 50]);
    expect(inside[18]).toBe(50);
  });

  it('mark the median of the runs, NaN aside', () => {
    expect(figures['seeds'].data.map(({ x }) => x)).toEqual([[3, 5, 4.5], [4.5]]);
  });

  it('draw intervals to both sides, single runs beside them, and leave out what there is not', () => {
    const [estimate, single] = figures['intervals'].data;
    expect(estimate).toMatchObject({ x: [3], y: ['linear'], error_x: { array: [2], arrayminus: [1] } });
    expect(single).toMatchObject({ x: [2.5, 3.5], y: ['linear', 'linear'] });
  });

  it('show errors as RMSE and leave masked pixels empty', () => {
    expect(figures['loss'].data.map(({ y }) => y)).toEqual([[2, 1], [3]]);
    expect(figures['residuals'].data[0]['z']).toEqual([
      [1, null],
      [-3, 2],
    ]);
  });

  it('stretch all images alike, masked pixels aside', () => {
    const dark = { heading: 'GF1', values: new Float32Array(12) };
    expect(commonStretch([image, dark], [2, 1, 0], 4)).toEqual({ low: [0, 0, 0], high: [1000, 600, 200] });
    expect(commonStretch([image], [0], 4, Uint8Array.of(0, 1, 1, 0))).toEqual({ low: [100], high: [100] });
  });

  it('colour bands by name, whatever their place', () => {
    expect([bandColour('Red', 0), bandColour('nir', 1), bandColour('swir', 1)]).toEqual([
      okabeIto.vermillion,
      okabeIto.purple,
      okabeIto.green,
    ]);
  });
});

if (findChromium() === undefined)
  console.warn('no Chromium here: figures are not checked against plotly’s schema');
describe.skipIf(findChromium() === undefined)('plotly’s own schema', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startChromium();
  }, 60_000);
  afterAll(() => browser.close());

  it('knows every key of every figure', { timeout: 60_000 }, async () => {
    const page = await browser.newPage();
    await page.setContent('<!doctype html><body></body>');
    await page.addScriptTag({ path: plotlyScript(Object.values(figures)) });
    for (const [name, figure] of Object.entries(figures)) {
      const faults = await page.evaluate(
        ({ data, layout }) =>
          (
            globalThis as unknown as {
              Plotly: { validate: (data: object, layout: object) => { code: string; msg: string }[] };
            }
          ).Plotly.validate(data, layout)
            ?.filter(({ code }) => code === 'schema')
            .map(({ msg }) => msg) ?? [],
        // plotly 4.1.2's own validate fails on any legend
        JSON.parse(JSON.stringify({ ...figure, layout: { ...figure.layout, legend: undefined } })) as {
          data: object;
          layout: object;
        },
      );
      expect({ name, faults }).toEqual({ name, faults: [] });
    }
  });
});
