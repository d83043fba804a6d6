import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Fault, reason } from '../../fault.js';
import { fontFiles } from './figure-font.js';
import { palettePng } from './palette-png.js';
import { figureTitle, type PlotlyFigure, plainFigure } from './plain-figure.js';
import { plotlyPage } from './plotly-page.js';
import { plotlyScript, traceTypes } from './plotly-scripts.js';

/** An image to make. */
export interface ImageRequest {
  /** CSS pixels; the layout's own by default, else 900 × 540. */
  width: number;
  height: number;
  /** `png` by default. */
  format: 'png' | 'svg';
  /** Dots of a PNG to each pixel; 2 by default. */
  scale: number;
}

const sizeIn = (layout: object, name: 'width' | 'height', fallback: number): number => {
  const value = (layout as Record<string, unknown>)[name];
  return typeof value === 'number' && value > 0 ? value : fallback;
};

/** Trace types that need WebGL or map tiles. `scattergl` is drawn as `scatter`. */
const withoutImage = new Set([
  ...['scatter3d', 'surface', 'mesh3d', 'isosurface', 'volume', 'cone', 'streamtube'],
  ...['splom', 'parcoords', 'scatterpolargl', 'scattergeo', 'choropleth'],
  ...['map', 'mapbox'].flatMap((map) => [`scatter${map}`, `choropleth${map}`, `density${map}`]),
]);

/** A trace without WebGL; with `zsmooth`, plotly embeds an image's source instead of redrawing it. */
const drawnTrace = (trace: object): object => {
  const type = 'type' in trace ? trace.type : undefined;
  if (type === 'scattergl') return { ...trace, type: 'scatter' };
  return type === 'image' && 'source' in trace ? { ...trace, zsmooth: 'fast' } : trace;
};

const drawableFigure = (figure: PlotlyFigure) => {
  const { data, layout } = plainFigure(figure);
  const drawn = { data: data.map(drawnTrace), layout };
  const others = traceTypes(drawn).filter((type) => withoutImage.has(type));
  if (others.length > 0)
    throw new Fault(`figure: no image of ${others.join(', ')} traces; open its interactive form`, 1);
  return drawn;
};

/** resvg wants references without quotes, and the SVG 1.1 name of nearest-neighbour scaling. */
const forResvg = (svg: string): string =>
  svg
    .replace(/url\((?:&quot;|['"])(#[^'"&)]+)(?:&quot;|['"])\)/g, 'url($1)')
    .replaceAll('image-rendering: pixelated', 'image-rendering: optimizeSpeed');

let started: Promise<typeof import('@resvg/resvg-wasm')> | undefined;

/** resvg as WebAssembly, whose arithmetic is the same on every machine. */
const startResvg = async (): Promise<typeof import('@resvg/resvg-wasm')> => {
  const resvg = await import('@resvg/resvg-wasm');
  await resvg.initWasm(
    await readFile(createRequire(import.meta.url).resolve('@resvg/resvg-wasm/index_bg.wasm')),
  );
  return resvg;
};

const rasterised = async (svg: string, scale: number): Promise<Uint8Array> => {
  started ??= startResvg();
  const { Resvg } = await started;
  const drawing = new Resvg(forResvg(svg), {
    fitTo: { mode: 'zoom', value: scale },
    font: { fontBuffers: fontFiles(), defaultFontFamily: 'Arimo', sansSerifFamily: 'Arimo' },
    background: 'white',
  });
  const image = drawing.render();
  try {
    return palettePng(image.pixels, image.width, image.height);
  } finally {
    image.free();
    drawing.free();
  }
};

/** The last figure drawn: it is often wanted as SVG and as PNG. */
let last: { key: string; svg: string } | undefined;

const render = async (figure: PlotlyFigure, wanted: Partial<ImageRequest>): Promise<Uint8Array> => {
  const drawn = drawableFigure(figure);
  const width = wanted.width ?? sizeIn(drawn.layout, 'width', 900);
  const height = wanted.height ?? sizeIn(drawn.layout, 'height', 540);
  const key = JSON.stringify([drawn, width, height]);
  try {
    if (last?.key !== key) {
      const title = figureTitle(figure) ?? 'figure';
      const page = await plotlyPage(plotlyScript([drawn]));
      last = { key, svg: await page.drawSvg(JSON.stringify(drawn), { width, height, title }) };
    }
    return wanted.format === 'svg' ? Buffer.from(last.svg) : await rasterised(last.svg, wanted.scale ?? 2);
  } catch (error) {
    throw new Fault(`figure: no image of it: ${reason(error)}`, 1);
  }
};

let queue: Promise<unknown> = Promise.resolve();

/**
 * Draws a plotly figure as PNG (default) or SVG, 900 × 540 CSS pixels unless the layout or the call says otherwise; PNG has
 * two dots per pixel. Needs no browser and no installed font: the bytes are the same on every machine. Takes 0.2 to 1 s;
 * calls are served one after the other.
 *
 * @throws Fault for traces that need WebGL or map tiles, such as `surface` and `scattermap`
 */
export const renderFigure = (
  figure: PlotlyFigure,
  wanted: Partial<ImageRequest> = {},
): Promise<Uint8Array> => {
  const done = queue.then(() => render(figure, wanted));
  queue = done.catch(() => {});
  return done;
};
