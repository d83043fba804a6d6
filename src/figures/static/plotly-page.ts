import { readFileSync } from 'node:fs';
import type { DOMWindow } from 'jsdom';
import { seededRandom } from '../../config/random.js';
import { encodePng } from '../encode-png.js';
import { type Box, boxOf, boxOnDrawing, textLength } from './svg-boxes.js';

const asRectangle = ({ left, top, right, bottom }: Box) => {
  const [width, height] = [right - left, bottom - top];
  return { x: left, y: top, left, top, right, bottom, width, height };
};

/** jsdom has no layout: sizes of text come from the font's metrics, those of groups from their contents. */
const measureSvg = (window: DOMWindow): void => {
  const { SVGElement } = window;
  Object.assign(SVGElement.prototype, {
    getBBox(this: SVGElement) {
      return asRectangle(boxOf(this) ?? { left: 0, top: 0, right: 0, bottom: 0 });
    },
    getBoundingClientRect(this: SVGElement) {
      return asRectangle(boxOnDrawing(this));
    },
    getComputedTextLength(this: SVGElement) {
      return textLength(this);
    },
  });
};

/** The part of a 2D context that plotly uses: filled rectangles and pixels, colours as `rgba(r,g,b,a)`. */
const pixelContext = (pixels: Uint8Array, width: number, height: number) => ({
  fillStyle: '',
  fillRect(left: number, top: number, across: number, down: number) {
    const [r, g, b, alpha = 1] = (this.fillStyle.match(/[\d.]+/g) ?? []).map(Number);
    const colour = [r, g, b, Math.round(255 * alpha)];
    for (let y = Math.max(0, top); y < Math.min(height, top + down); y++)
      for (let x = Math.max(0, left); x < Math.min(width, left + across); x++)
        pixels.set(colour, 4 * (y * width + x));
  },
  createImageData: (across: number, down: number) => ({ data: new Uint8ClampedArray(4 * across * down) }),
  putImageData: ({ data }: { data: Uint8ClampedArray }) => pixels.set(data),
  drawImage() {}, // pictures are embedded by reference instead
});

/** plotly draws heat maps on a canvas, which jsdom lacks, and embeds them as PNG. */
const addCanvas = (window: DOMWindow): void => {
  const drawn = new WeakMap<HTMLCanvasElement, Uint8Array>();
  Object.assign(window.HTMLCanvasElement.prototype, {
    getContext(this: HTMLCanvasElement, kind: string) {
      if (kind !== '2d') return null;
      const pixels = new Uint8Array(4 * this.width * this.height);
      drawn.set(this, pixels);
      return pixelContext(pixels, this.width, this.height);
    },
    toDataURL(this: HTMLCanvasElement) {
      const pixels = drawn.get(this) ?? new Uint8Array(4 * this.width * this.height);
      return `data:image/png;base64,${encodePng(pixels, this.width, this.height).toString('base64')}`;
    },
  });
};

/** What plotly waits for or asks about, and jsdom lacks. Images are never decoded, only embedded. */
const answerAtOnce = (window: DOMWindow): void => {
  class Picture {
    onload = (): void => {};
    setAttribute(): void {
      queueMicrotask(() => this.onload());
    }
  }
  Object.assign(window, {
    Image: Picture,
    matchMedia: () => ({ matches: false, addListener() {}, addEventListener() {} }),
  });
  window.URL.createObjectURL = () => 'blob:none';
};

/** A window without a browser, with plotly loaded. */
export interface PlotlyPage {
  window: DOMWindow;
  /** Draws a figure (JSON) as SVG of this size in CSS pixels; deterministic. */
  drawSvg: (figure: string, size: { width: number; height: number }) => Promise<string>;
}

type ToImage = (figure: string, options: string) => Promise<string>;

const open = async (script: string): Promise<PlotlyPage> => {
  const { JSDOM, VirtualConsole } = await import('jsdom'); // takes 0.3 s to load
  const { window } = new JSDOM('<!doctype html><body></body>', {
    // nobody listens: plotly warns with stacks, and with whatever a notebook's figure holds
    virtualConsole: new VirtualConsole(),
    runScripts: 'outside-only',
    pretendToBeVisual: true,
  });
  measureSvg(window);
  addCanvas(window);
  answerAtOnce(window);
  window.eval(readFileSync(script, 'utf8'));
  const toImage = window.eval(
    '(figure, options) => Plotly.toImage(JSON.parse(figure), JSON.parse(options))',
  ) as ToImage;
  const { Math: numbers } = window.eval('globalThis') as { Math: { random: () => number } };
  return {
    window,
    drawSvg: async (figure, size) => {
      // ids of clip paths and gradients are random: reproducible per figure, different between figures of one page
      numbers.random = seededRandom(figure).next;
      const url = await toImage(figure, JSON.stringify({ format: 'svg', ...size }));
      return decodeURIComponent(url.slice(url.indexOf(',') + 1));
    },
  };
};

const opened = new Map<string, Promise<PlotlyPage>>();

/** The window with plotly from this file: opened for the first figure (0.5 s) and kept. */
export const plotlyPage = (script: string): Promise<PlotlyPage> => {
  const page = opened.get(script) ?? open(script);
  opened.set(script, page);
  return page;
};
