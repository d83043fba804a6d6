// A child process: reads one {figure, request} from stdin and writes the image to stdout. Started by without-browser.ts.
import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { JSDOM } from 'jsdom';
import { plotlyScript } from './browser.js';
import { bytesOfDataUrl, type ImageRequest } from './image-request.js';

interface Job {
  figure: object;
  request: ImageRequest;
}

/** What plotly asks of a page and jsdom, which lays nothing out, does not know. Text is taken as 0.55 em a letter. */
const layoutStubs = `
  window.URL.createObjectURL = () => 'blob:none';
  window.matchMedia = () => ({ matches: false, addListener() {}, removeListener() {}, addEventListener() {} });
  const lines = (element) => element.querySelectorAll ? Math.max(1, element.querySelectorAll('tspan.line').length) : 1;
  const box = (element) => {
    const size = parseFloat(element.style?.fontSize || element.getAttribute?.('font-size') || 12);
    const text = element.textContent || '';
    const width = 0.55 * size * text.length / lines(element), height = 1.2 * size * lines(element);
    return { x: 0, y: -size, left: 0, top: 0, right: width, bottom: height, width, height };
  };
  window.SVGElement.prototype.getBBox = function () { return box(this); };
  window.SVGElement.prototype.getComputedTextLength = function () { return box(this).width; };
  const rectangle = window.Element.prototype.getBoundingClientRect;
  window.Element.prototype.getBoundingClientRect = function () {
    return /^(text|tspan)$/.test(this.tagName) ? box(this) : rectangle.call(this);
  };
`;

const drawSvg = async ({ figure, request }: Job): Promise<string> => {
  const dom = new JSDOM('<!doctype html><body></body>', {
    runScripts: 'outside-only',
    pretendToBeVisual: true,
  });
  dom.window.eval(layoutStubs);
  dom.window.eval(readFileSync(plotlyScript(), 'utf8'));
  const draw = dom.window.eval(
    '(figure, options) => Plotly.toImage(JSON.parse(figure), JSON.parse(options))',
  ) as (figure: string, options: string) => Promise<string>;
  const { width, height } = request;
  const url = await draw(JSON.stringify(figure), JSON.stringify({ format: 'svg', width, height }));
  return Buffer.from(bytesOfDataUrl(url)).toString('utf8');
};

/** resvg takes references without quotes only. */
const forResvg = (svg: string): string =>
  svg.replace(/url\((?:&quot;|['"])(#[^'"&)]+)(?:&quot;|['"])\)/g, 'url($1)');

const main = async (): Promise<void> => {
  const job = JSON.parse((await buffer(process.stdin)).toString('utf8')) as Job;
  const svg = await drawSvg(job);
  const { width, format, scale } = job.request;
  if (format === 'svg') {
    process.stdout.write(svg, () => process.exit(0));
    return;
  }
  const { Resvg } = await import('@resvg/resvg-js');
  const image = new Resvg(forResvg(svg), {
    fitTo: { mode: 'width', value: Math.round(width * scale) },
    font: { loadSystemFonts: true, defaultFontFamily: 'DejaVu Sans' },
    background: 'white',
  }).render();
  process.stdout.write(image.asPng(), () => process.exit(0));
};

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`, () => process.exit(1));
});
