import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { figureTitle, type PlotlyFigure, plainFigure } from '../../../src/figures/static/plain-figure.js';
import { renderFigure } from '../../../src/figures/static/render-figure.js';
import { packageRoot } from '../../../src/notebook/package-root.js';
import { requireBuild } from '../../notebook/built.js';

const lines = {
  data: [{ type: 'scatter', mode: 'lines', x: [1, 2, 3], y: new Float32Array([0.1, 0.5, 0.2]) }],
  layout: { title: { text: 'Surface <i>reflectance</i>' }, width: 420, height: 300 },
};
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
  layout: { width: 420, height: 300 },
};
const redDot =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const picture = { data: [{ type: 'image', source: redDot }], layout: { width: 420, height: 300 } };

/** Width and height in a PNG's header. */
const sizeOf = (png: Uint8Array): [number, number] => {
  const view = new DataView(png.buffer, png.byteOffset);
  return [view.getUint32(16), view.getUint32(20)];
};

const svgOf = async (figure: PlotlyFigure): Promise<string> =>
  Buffer.from(await renderFigure(figure, { format: 'svg' })).toString('utf8');

describe('renderFigure', () => {
  afterEach(() => expect(lines.data[0].y).toBeInstanceOf(Float32Array)); // a figure is not changed by drawing it

  it('gives the size asked for, else that of the layout, at two dots a pixel', async () => {
    expect(sizeOf(await renderFigure(lines))).toEqual([840, 600]);
    expect(sizeOf(await renderFigure(lines, { width: 500, height: 250, scale: 1 }))).toEqual([500, 250]);
    expect(sizeOf(await renderFigure({ data: lines.data }, { scale: 1 }))).toEqual([900, 540]);
  });

  it('gives the same bytes amid other figures, one after the other', async () => {
    const drawn = new Set<string>();
    for (const width of [300, 350, 400]) {
      const [one, , two] = await Promise.all([svgOf(lines), renderFigure(map, { width }), svgOf(lines)]);
      drawn.add(one).add(two);
    }
    expect([...drawn]).toHaveLength(1);
    expect([...drawn][0]).toMatch(/^<svg[\s\S]*reflectance/);
  });

  it('gives the same bytes in a process without fonts, folders or programs', {
    timeout: 60_000,
  }, async () => {
    requireBuild();
    const script = `
      const { renderFigure } = await import(process.argv[1]);
      for (const format of ['svg', 'png'])
        process.stdout.write(Buffer.from(await renderFigure(JSON.parse(process.argv[2]), { format })).toString('base64') + '\\n');`;
    const { stdout, stderr } = spawnSync(
      process.execPath,
      [
        ...['--input-type=module', '-e', script],
        join(packageRoot, 'dist/figures/static/render-figure.js'),
        JSON.stringify(map),
      ],
      { env: {}, encoding: 'utf8' },
    );
    expect(stderr).toBe('');
    const digest = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((text) => digest(Buffer.from(text, 'base64'))),
    ).toEqual([digest(await renderFigure(map, { format: 'svg' })), digest(await renderFigure(map))]);
  });

  it('embeds heat maps and pictures, and keeps their pixels when they are enlarged', async () => {
    for (const figure of [map, picture]) {
      const svg = await svgOf(figure);
      const [image] = /<image [^>]*>/.exec(svg) ?? [''];
      expect(image).toContain('href="data:image/png;base64,');
      expect(image).toContain('image-rendering: pixelated');
    }
    expect(await svgOf(picture)).toContain(redDot);
  });

  it('names what one figure refers to unlike that of another: both may stand on one page', async () => {
    const ids = async (figure: PlotlyFigure): Promise<string[]> =>
      [...(await svgOf(figure)).matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    const [one, two] = [await ids(map), await ids(picture)];
    expect(one.length).toBeGreaterThan(0);
    expect(one.filter((id) => two.includes(id))).toEqual([]);
  });

  it('draws WebGL points as plain ones', async () => {
    const points = { data: [{ type: 'scattergl', mode: 'markers', x: [1, 2], y: [1, 2] }], layout: {} };
    expect(await svgOf(points)).toContain('class="scatterlayer');
  });

  it('draws traces of the whole plotly too', async () => {
    const funnel = { data: [{ type: 'funnel', x: [3, 2], y: ['all', 'clear'] }], layout: {} };
    expect(await svgOf(funnel)).toContain('class="funnellayer');
  });

  it('draws what plotly warns of, such as a colour that is none', async () => {
    expect(await svgOf({ data: [{ y: [1, 2], line: { color: 'no colour' } }], layout: {} })).toContain(
      'class="scatterlayer',
    );
  });

  it('keeps signs that mean something in XML, links and lines of a text', async () => {
    const svg = await svgOf({
      data: [],
      layout: { title: { text: 'a &amp; "b"<br>&lt; <a href="https://x.y/?a=1&b=2">c</a>' } },
    });
    expect(svg).toContain('>a &amp; "b"<');
    expect(svg).toContain('xlink:href="https://x.y/?a=1&amp;b=2"');
  });

  it('shows what XML cannot hold as unknown characters', async () => {
    const figure = { data: [], layout: { title: { text: 'a\u001b[31mb\u0000 \ud800' } } };
    const svg = await svgOf(figure);
    expect(svg).toContain('aria-label="a\ufffd[31mb\ufffd \ufffd"');
    expect(svg).not.toMatch(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u);
    expect((await renderFigure(figure)).length).toBeGreaterThan(1000);
  });

  it('keeps the width of text where another font shows it, unless the font lacks its letters', async () => {
    const titled = (title: string) => svgOf({ data: [], layout: { title: { text: title } } });
    expect(await titled('Reflectance')).toMatch(
      /textLength="[\d.]+" lengthAdjust="spacingAndGlyphs">Reflectance</,
    );
    expect(await titled('反射率')).not.toMatch(/textLength="[^>]*>反射率</);
  });

  it('says what it cannot draw', async () => {
    await expect(renderFigure({ data: [{ type: 'surface', z: [[1]] }], layout: {} })).rejects.toThrow(
      'figure: no image of surface traces; open its interactive form',
    );
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
