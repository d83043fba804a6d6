import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { Fault, reason } from '../../fault.js';
import { fontFamily, fontFiles } from './figure-font.js';
import { palettePng } from './palette-png.js';
import { type PlotlyFigure, plainFigure } from './plain-figure.js';
import { type PlotlyPage, plotlyPage } from './plotly-page.js';
import { plotlyScript, traceTypes } from './plotly-scripts.js';
import { textLength } from './svg-boxes.js';

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

/** Traces that need WebGL, or a map from a network. `scattergl` is drawn as `scatter`. */
const withoutImage = new Set([
  ...['scatter3d', 'surface', 'mesh3d', 'isosurface', 'volume', 'cone', 'streamtube'],
  ...['splom', 'parcoords', 'scatterpolargl', 'scattergeo', 'choropleth'],
  ...['map', 'mapbox'].flatMap((map) => [`scatter${map}`, `choropleth${map}`, `density${map}`]),
]);

/** A trace as it is drawn without a browser: `zsmooth` has a picture embedded as it is. */
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

/**
 * The SVG for any viewer: in the one font that it was measured in, its text held to the measured width where that font is
 * not installed, and named by its title.
 */
const finishedSvg = (svg: string, { window }: PlotlyPage): string => {
  const document = new window.DOMParser().parseFromString(svg, 'image/svg+xml');
  const root = document.documentElement;
  for (const text of root.querySelectorAll<SVGTextElement>('text')) {
    text.style.setProperty('font-family', fontFamily);
    const lines = text.querySelectorAll('tspan.line');
    for (const line of lines.length > 0 ? lines : [text]) {
      const length = textLength(line);
      if (length > 0) {
        line.setAttribute('textLength', length.toFixed(2));
        line.setAttribute('lengthAdjust', 'spacingAndGlyphs');
      }
    }
  }
  for (const image of root.querySelectorAll<SVGImageElement>('image'))
    image.style.setProperty('image-rendering', 'pixelated');
  return new window.XMLSerializer().serializeToString(root);
};

/** resvg takes references without quotes only, and knows the older name of keeping pixels. */
const forResvg = (svg: string): string =>
  svg
    .replace(/url\((?:&quot;|['"])(#[^'"&)]+)(?:&quot;|['"])\)/g, 'url($1)')
    .replaceAll('image-rendering: pixelated', 'image-rendering: optimizeSpeed');

let started: Promise<typeof import('@resvg/resvg-wasm')> | undefined;

/** resvg compiled to WebAssembly: the same dots on every machine. */
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

const render = async (figure: PlotlyFigure, wanted: Partial<ImageRequest>): Promise<Uint8Array> => {
  const drawn = drawableFigure(figure);
  const width = wanted.width ?? sizeIn(drawn.layout, 'width', 900);
  const height = wanted.height ?? sizeIn(drawn.layout, 'height', 540);
  const page = await plotlyPage(plotlyScript([drawn]));
  try {
    const svg = await page.drawSvg(JSON.stringify(drawn), { width, height });
    const finished = finishedSvg(svg, page);
    return wanted.format === 'svg' ? Buffer.from(finished) : await rasterised(finished, wanted.scale ?? 2);
  } catch (error) {
    throw new Fault(`figure: no image of it: ${reason(error)}`, 1);
  }
};

let queue: Promise<unknown> = Promise.resolve();

/**
 * A plotly figure as an image: PNG (default) or SVG, 900 × 540 CSS pixels unless the layout or the call says otherwise, PNG
 * at two dots a pixel. Drawn without a browser, in a font that comes with the package: the same figure gives the same
 * bytes on every machine. One figure is drawn at a time, in about 0.2 s.
 *
 * Throws a Fault for traces that need WebGL or a map: the interactive form is then all there is.
 */
export const renderFigure = (
  figure: PlotlyFigure,
  wanted: Partial<ImageRequest> = {},
): Promise<Uint8Array> => {
  const done = queue.then(() => render(figure, wanted));
  queue = done.catch(() => {});
  return done;
};
