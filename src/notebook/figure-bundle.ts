import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { reason } from '../fault.js';
import {
  figureTitle,
  type PlainFigure,
  type PlotlyFigure,
  plainFigure,
} from '../figures/static/plain-figure.js';
import { plotlyScript } from '../figures/static/plotly-scripts.js';
import { renderFigure } from '../figures/static/render-figure.js';
import { escapeHtml } from './data-table.js';
import { kernelOutput, type MimeBundle } from './kernel-output.js';

const libraries = new Map<string, Promise<string>>();

/** plotly.js for the traces of these figures, gzipped, as base64: 0.7 MB. */
export const packedPlotly = (figures: readonly Pick<PlainFigure, 'data'>[]): Promise<string> => {
  const path = plotlyScript(figures);
  const found = libraries.get(path) ?? readFile(path).then((bytes) => gzipSync(bytes).toString('base64'));
  libraries.set(path, found);
  return found;
};

/** JavaScript of a function that makes plotly.js of {@link packedPlotly} in a reader's browser. */
export const unpackScript = `async (packed) => {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  const module = { exports: {} };
  new Function('module', 'exports', 'define', await new Response(stream).text())(module, module.exports, undefined);
  return module.exports;
}`;

/**
 * Draws a figure over its still image, with plotly.js unpacked once a page for each bundle. Runs in the reader's browser:
 * it is written into the notebook as text, and names nothing outside itself.
 */
const drawScript = `async (id, figure, packed) => {
  const places = document.querySelectorAll('[data-bandalign-figure="' + id + '"]:not([data-live])');
  if (places.length === 0) return;
  for (const place of places) place.dataset.live = 'yes';
  const loaded = (globalThis.bandalignPlotly ??= {});
  const Plotly = await (loaded[packed.length] ??= (${unpackScript})(packed));
  const { data, layout, config, frames } = figure;
  for (const place of places) {
    const plot = place.querySelector('div');
    plot.style.minHeight = (layout.height || 450) + 'px';
    await Plotly.newPlot(plot, { data, layout: { ...layout, width: undefined, autosize: true }, frames,
      config: { responsive: true, displaylogo: false, ...config } });
    place.querySelector('img')?.remove();
  }
}`;

/** JSON that may stand inside a script element. */
export const scriptJson = (value: unknown): string => JSON.stringify(value).replace(/</g, '\\u003c');

/**
 * A figure as HTML that needs nothing installed and asks nothing of a network: the still image, and a script that puts the
 * live figure in its place. Where scripts are not run (a notebook that is not trusted), the image stays.
 */
const liveHtml = async (figure: PlainFigure, title: string, png: string | undefined): Promise<string> => {
  const id = randomUUID();
  const still = png ? `<img src="data:image/png;base64,${png}" alt="${escapeHtml(title)}">` : '';
  return [
    `<figure data-bandalign-figure="${id}" style="margin:0;background:#fff">${still}<div></div></figure>`,
    `<script>(${drawScript})(${JSON.stringify(id)}, ${scriptJson(figure)}, "${await packedPlotly([figure])}")</script>`,
  ].join('\n');
};

/** A figure without the controls that a picture cannot answer: sliders, menus, buttons. */
const withoutControls = ({ layout = {}, ...figure }: PlotlyFigure): PlotlyFigure => {
  const { sliders: _sliders, updatemenus: _menus, ...rest } = layout as Record<string, unknown>;
  return { ...figure, layout: rest };
};

/**
 * A plotly figure as a notebook keeps it: JSON for front ends and exports that draw plotly, a PNG without controls for
 * all that draw none (GitHub, nbconvert; 256 colours, to keep notebooks small), a title for terminals. Where somebody
 * works in the notebook (JupyterLab, Notebook, VS Code), HTML as well that draws it with nothing installed: 0.7 MB with
 * plotly.js, so that a notebook run by a program leaves it out. Where no image can be made the text says why.
 */
export const figureBundle = async (figure: PlotlyFigure): Promise<MimeBundle> => {
  const title = figureTitle(figure) ?? 'figure';
  const plain = plainFigure(figure);
  const image = await renderFigure(withoutControls(figure), { format: 'png', scale: 1.5 }).then(
    (png) => ({ png: Buffer.from(png).toString('base64') }),
    (error: unknown) => ({ why: reason(error) }),
  );
  const png = 'png' in image ? image.png : undefined;
  return {
    'application/vnd.plotly.v1+json': plain,
    ...(png === undefined ? {} : { 'image/png': png }),
    ...(kernelOutput()?.isWatched() ? { 'text/html': await liveHtml(plain, title, png) } : {}),
    'text/plain': 'why' in image ? `${title} (${image.why})` : title,
  };
};
