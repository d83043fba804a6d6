import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { findChromium } from '../../../src/figures/static/browser.js';
import { figureTitle, type PlotlyFigure, plainFigure } from '../../../src/figures/static/plain-figure.js';
import { closeRenderer, renderFigure } from '../../../src/figures/static/render-figure.js';
import { requireBuild } from '../../notebook/built.js';

requireBuild();

const lines = {
  data: [{ type: 'scatter', mode: 'lines', x: [1, 2, 3], y: new Float32Array([0.1, 0.5, 0.2]) }],
  layout: { title: { text: 'Surface <i>reflectance</i>' }, width: 420, height: 300 },
};
const points = { data: [{ type: 'scattergl', mode: 'markers', x: [1, 2], y: [1, 2] }], layout: {} };

/** Width and height in a PNG's header. */
const sizeOf = (png: Uint8Array): [number, number] => {
  const view = new DataView(png.buffer, png.byteOffset);
  return [view.getUint32(16), view.getUint32(20)];
};

const svgOf = async (figure: PlotlyFigure): Promise<string> =>
  Buffer.from(await renderFigure(figure, { format: 'svg' })).toString('utf8');

const withoutBrowser = async <T>(use: () => Promise<T>): Promise<T> => {
  const before = process.env['BANDALIGN_CHROMIUM'];
  process.env['BANDALIGN_CHROMIUM'] = '';
  try {
    return await use();
  } finally {
    if (before === undefined) delete process.env['BANDALIGN_CHROMIUM'];
    else process.env['BANDALIGN_CHROMIUM'] = before;
  }
};

describe('renderFigure', () => {
  afterEach(() => expect(lines.data[0].y).toBeInstanceOf(Float32Array)); // a figure is not changed by drawing it
  afterAll(closeRenderer);

  const browser = findChromium();
  if (browser === undefined) console.warn('no Chromium here: its tests are left out');

  it.skipIf(browser === undefined)(
    'draws in Chromium, the same bytes each time, one after the other',
    async () => {
      const [one, two, larger] = await Promise.all([
        renderFigure(lines),
        renderFigure(lines),
        renderFigure(lines, { width: 500, height: 250, scale: 1 }),
      ]);
      expect(sizeOf(one)).toEqual([840, 600]);
      expect(Buffer.compare(one, two)).toBe(0);
      expect(sizeOf(larger)).toEqual([500, 250]);
      const svg = await svgOf(lines);
      expect(svg).toMatch(/^<svg[\s\S]*reflectance/);
      expect(await svgOf(lines)).toBe(svg);
    },
  );

  it.skipIf(browser === undefined)('draws the same SVG amid images of other sizes', async () => {
    const drawn = new Set<string>();
    for (let round = 0; round < 20; round++) {
      const [one, , two] = await Promise.all([
        svgOf(lines),
        renderFigure(lines, { width: 300 + 50 * (round % 7), height: 250, scale: 1 + (round % 2) }),
        svgOf(lines),
      ]);
      drawn.add(one).add(two);
    }
    expect([...drawn]).toHaveLength(1);
    expect([...drawn][0]).not.toContain(' style=""');
  });

  it.skipIf(browser === undefined)('draws the same SVG of colour bars', async () => {
    const map = {
      data: [
        {
          type: 'heatmap',
          z: [
            [0, 1],
            [2, 3],
          ],
        },
      ],
      layout: {},
    };
    const [one, two] = [await svgOf(map), await svgOf(map)];
    expect(one).toMatch(/<linearGradient[^>]* id="/);
    expect(two).toBe(one);
    const [, gradient] = /<linearGradient[^>]* id="([^"]*)"/.exec(one) ?? [];
    expect(one.split(gradient).length).toBe(3); // where it is defined, and where it is used
  });

  it.skipIf(browser === undefined)('draws WebGL traces in Chromium', async () => {
    expect(sizeOf(await renderFigure(points, { scale: 1 }))).toEqual([900, 540]);
  });

  it('draws lines without a browser', async () => {
    const png = await withoutBrowser(() => renderFigure(lines));
    expect(sizeOf(png)).toEqual([840, 600]);
    const svg = await withoutBrowser(() => svgOf(lines));
    expect(svg).toContain('class="scatterlayer');
  });

  it('says what it cannot draw without one', async () => {
    await withoutBrowser(() =>
      expect(renderFigure(points)).rejects.toThrow(/no Chromium was found.*; scattergl traces need Chromium/),
    );
  });

  it('goes on without a browser that does not start', async () => {
    process.env['BANDALIGN_CHROMIUM'] = '/bin/false';
    try {
      expect(sizeOf(await renderFigure(lines))).toEqual([840, 600]);
    } finally {
      delete process.env['BANDALIGN_CHROMIUM'];
    }
  });
});

describe('plainFigure', () => {
  it('leaves nothing that JSON cannot hold', () => {
    const figure = {
      data: [
        {
          x: new Float32Array([0.1, Number.NaN]),
          y: [new Date(0), undefined, Number.POSITIVE_INFINITY],
          name: undefined,
        },
      ],
      layout: { title: 'a' },
    };
    const plain = plainFigure(figure);
    expect(plain).toEqual({
      data: [{ x: [0.1, null], y: ['1970-01-01T00:00:00.000Z', undefined, null] }],
      layout: { title: 'a' },
    });
    expect(JSON.parse(JSON.stringify(plain))).toMatchObject({ data: [{ x: [0.1, null] }] });
  });

  it('knows the title in either form', () => {
    expect(figureTitle(lines)).toBe('Surface reflectance');
    expect(figureTitle({ data: [], layout: { title: 'x' } })).toBe('x');
    expect(figureTitle({ data: [] })).toBeUndefined();
  });
});
