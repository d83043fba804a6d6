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

/** Arimo is metric-compatible with Arial and Helvetica, so text has the measured width in any of these. */
export const fontFamily = "Arial, Helvetica, Arimo, 'Liberation Sans', sans-serif";

const styles = [false, true].flatMap((bold) => [false, true].map((italic) => ({ bold, italic })));

/** The four TrueType files of the font, for a renderer without system fonts. */
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

/** Zero-width characters; plotly puts one after superscripts. */
const withoutWidth = /[\u200b-\u200d\u2060\ufeff]/g;

/** Advance width of a line of text with kerning, in the unit of `size`. */
export const textWidth = (text: string, size: number, style: FontStyle): number =>
  fontOf(style).getAdvanceWidth(text.replace(withoutWidth, ''), size);

/** Has the font a glyph for every character? It covers Latin, Greek, Cyrillic and Hebrew. */
export const coversText = (text: string): boolean =>
  [...text.replace(withoutWidth, '')].every(
    (character) => fontOf({ bold: false, italic: false }).charToGlyphIndex(character) > 0,
  );

/** Ascent and descent of a line of text, in the unit of `size`. */
export const lineExtent = (size: number): { above: number; below: number } => {
  const { ascender, descender, unitsPerEm } = fontOf({ bold: false, italic: false });
  return { above: (size * ascender) / unitsPerEm, below: (-size * descender) / unitsPerEm };
};
