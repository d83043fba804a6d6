import type { PlotlyFigure } from './plain-figure.js';

export type ImageFormat = 'png' | 'svg';

/** An image to make: CSS pixels, and for PNG how many dots to each. */
export interface ImageRequest {
  width: number;
  height: number;
  format: ImageFormat;
  scale: number;
}

const sizeIn = (figure: PlotlyFigure, name: 'width' | 'height', fallback: number): number => {
  const value = (figure.layout as Record<string, unknown> | undefined)?.[name];
  return typeof value === 'number' && value > 0 ? value : fallback;
};

/** Fills in what a caller left open: the layout's own size, else 900 × 540; PNG at two dots a pixel. */
export const completeRequest = (figure: PlotlyFigure, wanted: Partial<ImageRequest>): ImageRequest => ({
  width: wanted.width ?? sizeIn(figure, 'width', 900),
  height: wanted.height ?? sizeIn(figure, 'height', 540),
  format: wanted.format ?? 'png',
  scale: wanted.scale ?? 2,
});

/** Bytes of what `Plotly.toImage` gives: a data URL. */
export const bytesOfDataUrl = (url: string): Uint8Array => {
  const comma = url.indexOf(',');
  const [head, body] = [url.slice(0, comma), url.slice(comma + 1)];
  return head.endsWith(';base64')
    ? Buffer.from(body, 'base64')
    : Buffer.from(decodeURIComponent(body), 'utf8');
};
