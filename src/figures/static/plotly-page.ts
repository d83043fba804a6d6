import { readFileSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';
import type { parseHTML } from 'linkedom';
import { seededRandom } from '../../config/random.js';
import { encodePng } from '../encode-png.js';
import { serialiseSvg } from './serialise-svg.js';
import { type Box, boxOf, boxOnDrawing, textLength } from './svg-boxes.js';

type Dom = ReturnType<typeof parseHTML>;

const asRectangle = ({ left, top, right, bottom }: Box) => {
  const [width, height] = [right - left, bottom - top];
  return { x: left, y: top, left, top, right, bottom, width, height };
};

/**
 * linkedom has no layout: sizes of text come from the font's metrics, those of groups from their contents. Names of SVG
 * elements are not in capitals, also where the document is HTML.
 */
const measureSvg = ({ SVGElement }: Dom): void => {
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
  for (const name of ['nodeName', 'tagName'])
    Object.defineProperty(SVGElement.prototype, name, {
      configurable: true, // the classes are shared by all documents
      get(this: SVGElement) {
        return this.localName;
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

/** plotly draws heat maps on a canvas, which linkedom lacks, and embeds them as PNG. */
const addCanvas = ({ HTMLCanvasElement }: Dom): void => {
  const drawn = new WeakMap<HTMLCanvasElement, Uint8Array>();
  Object.assign(HTMLCanvasElement.prototype, {
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

/** An image that is never decoded, only embedded. */
class Picture {
  onload = (): void => {};
  setAttribute(): void {
    queueMicrotask(() => this.onload());
  }
}

const nothing = (): void => {};

/** A timer whose work may fail: what plotly animates after a drawing is done must not end the process. */
const quiet =
  <Handle>(timer: (work: () => void, delay?: number) => Handle) =>
  (work: () => void, delay?: number): Handle =>
    timer(() => {
      try {
        work();
      } catch {}
    }, delay);

/** What plotly asks of a browser's window, beside its document. */
const windowAround = ({ document, DOMParser, Element, HTMLElement, SVGElement, Node }: Dom) => ({
  ...{ document, DOMParser, Element, HTMLElement, SVGElement, Node, Image: Picture },
  ...{ clearTimeout, clearInterval, queueMicrotask, performance },
  ...{ Blob, TextDecoder, TextEncoder },
  setTimeout: quiet(setTimeout),
  setInterval: quiet(setInterval),
  requestAnimationFrame: quiet(setTimeout),
  cancelAnimationFrame: clearTimeout,
  URL: { createObjectURL: () => 'blob:none', revokeObjectURL: nothing },
  navigator: { userAgent: 'bandalign', language: 'en' },
  location: { href: 'about:blank' },
  // nobody listens: plotly warns with stacks, and with whatever a notebook's figure holds
  console: Object.fromEntries(Object.keys(console).map((name) => [name, nothing])),
  getComputedStyle: ({ style }: SVGElement) => style,
  matchMedia: () => ({ matches: false, addListener: nothing, addEventListener: nothing }),
  addEventListener: nothing,
  removeEventListener: nothing,
});

/** A drawing to make of a figure: CSS pixels, and its accessible name. */
interface Drawing {
  width: number;
  height: number;
  title: string;
}

/** A window without a browser, with plotly loaded. */
export interface PlotlyPage {
  /** Draws a figure (JSON) as SVG; deterministic. */
  drawSvg: (figure: string, drawing: Drawing) => Promise<string>;
}

type ToImage = (figure: string, options: string) => Promise<string>;

const open = async (script: string): Promise<PlotlyPage> => {
  const { parseHTML } = await import('linkedom'); // takes 0.3 s to load
  const dom = parseHTML('<!doctype html><html><head></head><body></body></html>');
  measureSvg(dom);
  addCanvas(dom);
  const drawn = { title: '', svg: '' };
  const context = createContext({
    ...windowAround(dom),
    XMLSerializer: class {
      serializeToString(root: SVGElement): string {
        drawn.svg = serialiseSvg(root, drawn.title);
        return '';
      }
    },
  });
  const window = runInContext('window = self = globalThis', context) as object;
  Object.defineProperty(dom.document, 'defaultView', { value: window });
  runInContext(readFileSync(script, 'utf8'), context, { filename: script });
  const toImage = runInContext(
    '(figure, options) => Plotly.toImage(JSON.parse(figure), JSON.parse(options))',
    context,
  ) as ToImage;
  const numbers = runInContext('Math', context) as { random: () => number };
  return {
    drawSvg: async (figure, { width, height, title }) => {
      // ids of clip paths and gradients are random: reproducible per figure, different between figures of one page
      numbers.random = seededRandom(figure).next;
      drawn.title = title;
      // what plotly makes of the text, for browsers of old, is not wanted
      await toImage(figure, JSON.stringify({ format: 'svg', width, height }));
      return drawn.svg;
    },
  };
};

const opened = new Map<string, Promise<PlotlyPage>>();

/** The window with plotly from this file: opened for the first figure (0.3 s) and kept. */
export const plotlyPage = (script: string): Promise<PlotlyPage> => {
  const page = opened.get(script) ?? open(script);
  opened.set(script, page);
  return page;
};
