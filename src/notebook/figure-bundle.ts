import { reason } from '../fault.js';
import { figureTitle, type PlotlyFigure, plainFigure } from '../figures/static/plain-figure.js';
import { renderFigure } from '../figures/static/render-figure.js';
import type { MimeBundle } from './kernel-output.js';

/**
 * MIME bundle of a plotly figure: JSON for JupyterLab, VS Code and our HTML export; PNG for viewers without plotly (GitHub,
 * nbconvert), at 1.5 dots per pixel to keep notebooks small; the title for terminals, with the reason where there is no
 * PNG. No HTML: viewers would prefer it to the PNG, and it would load plotly from the network.
 */
export const figureBundle = async (figure: PlotlyFigure): Promise<MimeBundle> => {
  const title = figureTitle(figure) ?? 'figure';
  const shown = { 'application/vnd.plotly.v1+json': plainFigure(figure) };
  try {
    const png = await renderFigure(figure, { format: 'png', scale: 1.5 });
    return { ...shown, 'image/png': Buffer.from(png).toString('base64'), 'text/plain': title };
  } catch (error) {
    return { ...shown, 'text/plain': `${title} (${reason(error)})` };
  }
};
