import { reason } from '../fault.js';
import { figureTitle, type PlotlyFigure, plainFigure } from '../figures/static/plain-figure.js';
import { renderFigure } from '../figures/static/render-figure.js';
import type { MimeBundle } from './kernel-output.js';

/**
 * A plotly figure as a notebook keeps it: interactive JSON for JupyterLab, VS Code and our HTML export, a PNG for all that
 * draw no plotly (GitHub, nbconvert; 256 colours, to keep notebooks small), a title for terminals. No HTML: it would win over the PNG and need a network.
 * Where no image can be made the text says why.
 */
export const figureBundle = async (figure: PlotlyFigure): Promise<MimeBundle> => {
  const title = figureTitle(figure) ?? 'figure';
  const shown = { 'application/vnd.plotly.v1+json': plainFigure(figure) };
  try {
    const png = await renderFigure(figure, { format: 'png' });
    return { ...shown, 'image/png': Buffer.from(png).toString('base64'), 'text/plain': title };
  } catch (error) {
    return { ...shown, 'text/plain': `${title} (${reason(error)})` };
  }
};
