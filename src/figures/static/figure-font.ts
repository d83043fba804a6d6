import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Font, parse } from 'opentype.js';

/** A weight and slant of the figures' font. */
export interface FontStyle {
  bold: boolean;
  italic: boolean;
}

const require = createRequire(import.meta.url);

const path = ({ bold, italic }: FontStyle): string => {
  const name = `${bold ? '700Bold' : '400Regular'}${italic ? '_Italic' : ''}`;
  return require.resolve(`@expo-google-fonts/arimo/${name}/Arimo_${name}.ttf`);
};

/** Arimo is drawn on the widths of Arial and Helvetica: what it measures holds wherever one of these is shown. */
export const fontFamily = "Arial, Helvetica, Arimo, 'Liberation Sans', sans-serif";

const styles = [false, true].flatMap((bold) => [false, true].map((italic) => ({ bold, italic })));

/** The four files of the font (TrueType), for a renderer that has no fonts of its own. */
export const fontFiles = (): Buffer[] => styles.map((style) => readFileSync(path(style)));

const loaded = new Map<string, Font>();

const fontOf = (style: FontStyle): Font => {
  const file = path(style);
  let font = loaded.get(file);
  if (!font) {
    const opentype = require('opentype.js') as { parse: typeof parse };
    const bytes = readFileSync(file);
    font = opentype.parse(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    loaded.set(file, font);
  }
  return font;
};

/** What takes no room: plotly puts a zero-width space after superscripts. */
const withoutWidth = /[\u200b-\u200d\u2060\ufeff]/g;

/** How far a line of text reaches, kerning included, in the unit of `size`. */
export const textWidth = (text: string, size: number, style: FontStyle): number =>
  fontOf(style).getAdvanceWidth(text.replace(withoutWidth, ''), size);

/** What a line of text takes above and below its baseline, in the unit of `size`. */
export const lineExtent = (size: number): { above: number; below: number } => {
  const { ascender, descender, unitsPerEm } = fontOf({ bold: false, italic: false });
  return { above: (size * ascender) / unitsPerEm, below: (-size * descender) / unitsPerEm };
};
