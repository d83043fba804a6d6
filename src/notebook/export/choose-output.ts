import type { PlainFigure } from '../../figures/static/plain-figure.js';
import type { MimeBundle } from '../kernel-output.js';

/** The one form of a display that a page draws. */
export type ChosenForm =
  | { kind: 'figure'; figure: PlainFigure; png?: string }
  | { kind: 'html' | 'markdown' | 'svg' | 'text' | 'latex'; text: string }
  | { kind: 'image'; mime: 'image/png' | 'image/jpeg'; base64: string };

const plotlyMime = 'application/vnd.plotly.v1+json';

/** The richest form of `data`: interactive figure, table, narration, drawing, picture, text. */
export const chooseForm = (data: MimeBundle): ChosenForm | undefined => {
  const text = (mime: string): string | undefined => {
    const value = data[mime];
    return typeof value === 'string' ? value : undefined;
  };
  const png = text('image/png')?.replace(/\s/g, '');
  if (typeof data[plotlyMime] === 'object' && data[plotlyMime] !== null)
    return { kind: 'figure', figure: data[plotlyMime] as PlainFigure, png };
  for (const [mime, kind] of [
    ['text/html', 'html'],
    ['text/markdown', 'markdown'],
    ['image/svg+xml', 'svg'],
  ] as const) {
    const found = text(mime);
    if (found !== undefined) return { kind, text: found };
  }
  if (png !== undefined) return { kind: 'image', mime: 'image/png', base64: png };
  const jpeg = text('image/jpeg')?.replace(/\s/g, '');
  if (jpeg !== undefined) return { kind: 'image', mime: 'image/jpeg', base64: jpeg };
  const latex = text('text/latex');
  if (latex !== undefined) return { kind: 'latex', text: latex };
  const plain = text('text/plain');
  return plain === undefined ? undefined : { kind: 'text', text: plain };
};
