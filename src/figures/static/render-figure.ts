import { Fault, reason } from '../../fault.js';
import { type BrowserRenderer, findChromium, startBrowser } from './browser.js';
import { completeRequest, type ImageRequest } from './image-request.js';
import { type PlotlyFigure, plainFigure } from './plain-figure.js';
import { obstacleWithoutBrowser, renderWithoutBrowser } from './without-browser.js';

let starting: Promise<BrowserRenderer> | undefined;
let closing: NodeJS.Timeout | undefined;
let queue: Promise<unknown> = Promise.resolve();

/** Ends the browser that {@link renderFigure} keeps. It is started again when needed. */
export const closeRenderer = async (): Promise<void> => {
  clearTimeout(closing);
  const ending = starting;
  starting = undefined;
  await (await ending?.catch(() => undefined))?.close();
};

/** Seconds after its last figure until the browser is closed, so that a program can end. A kernel keeps it longer. */
const idleSeconds = (): number => Number(process.env['BANDALIGN_RENDERER_IDLE'] ?? 2);

const renderInBrowser = async (
  executable: string,
  figure: object,
  request: ImageRequest,
): Promise<Uint8Array> => {
  clearTimeout(closing);
  starting ??= startBrowser(executable);
  const begun = starting;
  try {
    return await (await begun).render(figure, request);
  } catch (error) {
    await closeRenderer(); // a browser that failed once is not asked again
    throw error;
  } finally {
    closing = setTimeout(() => void closeRenderer(), idleSeconds() * 1000);
  }
};

const render = async (figure: PlotlyFigure, wanted: Partial<ImageRequest>): Promise<Uint8Array> => {
  const request = completeRequest(figure, wanted);
  const drawn = plainFigure(figure);
  const executable = findChromium();
  let trouble = 'no Chromium was found (BANDALIGN_CHROMIUM names one)';
  if (executable !== undefined) {
    try {
      return await renderInBrowser(executable, drawn, request);
    } catch (error) {
      trouble = `${executable}: ${reason(error)}`;
    }
  }
  const obstacle = obstacleWithoutBrowser(drawn);
  if (obstacle !== undefined) throw new Fault(`figure: no static image: ${trouble}; ${obstacle}`, 1);
  try {
    return await renderWithoutBrowser(drawn, request);
  } catch (error) {
    throw new Fault(`figure: no static image: ${trouble}; without it: ${reason(error)}`, 1);
  }
};

/** Plotly marks ids and classes, and what refers to them, with random numbers: numbered as they come. */
const withPlainIds = (svg: string): string => {
  const marks = new Map<string, string>();
  for (const [, mark] of svg.matchAll(/\b(?:defs-|trace|cb)([0-9a-f]{6})\b/g))
    if (!marks.has(mark)) marks.set(mark, `-${marks.size}-`);
  if (marks.size === 0) return svg;
  const anyMark = new RegExp([...marks.keys()].join('|'), 'g');
  return svg.replace(/ (?:id|class|[\w:]*href)="[^"]*"|url\([^)]*\)/g, (reference) =>
    reference.replace(anyMark, (mark) => marks.get(mark) ?? mark),
  );
};

/**
 * A browser writes the style attribute of an element down when it comes by, so its place among the others hangs on
 * the moment, and an empty one may be there or not: last of all, and none that is empty.
 */
const withStyleLast = (svg: string): string =>
  svg.replace(
    /(<[\w:]+(?: [\w:.-]+="[^"]*")*?)( style="[^"]*")((?: [\w:.-]+="[^"]*")*)/g,
    (_, before: string, style: string, after: string) =>
      before + after + (style === ' style=""' ? '' : style),
  );

/** The same figure is to give the same bytes. */
const canonicalSvg = (svg: Uint8Array): Uint8Array =>
  Buffer.from(withStyleLast(withPlainIds(Buffer.from(svg).toString('utf8'))));

/**
 * A plotly figure as an image: PNG (default) or SVG, 900 × 540 CSS pixels unless the layout or the call says
 * otherwise, PNG at two dots a pixel. The same figure gives the same bytes on the same machine.
 *
 * Drawn by headless Chromium where there is one (BANDALIGN_CHROMIUM, the PATH, the usual places): it starts at the
 * first figure (about 2 s) and serves all that follow, one at a time. Otherwise by jsdom and resvg, which know lines,
 * points, bars, histograms, boxes and violins. Throws a Fault when neither can: the interactive form is then all there is.
 */
export const renderFigure = (
  figure: PlotlyFigure,
  wanted: Partial<ImageRequest> = {},
): Promise<Uint8Array> => {
  const drawn = queue.then(() => render(figure, wanted));
  const done = wanted.format === 'svg' ? drawn.then(canonicalSvg) : drawn;
  queue = done.catch(() => {});
  return done;
};
