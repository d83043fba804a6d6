import { encodePalettePng } from '../encode-png.js';

/** Colours are told apart by five bits a channel. */
const cells = 1 << 15;

interface Colour {
  cell: number;
  count: number;
  rgb: readonly [number, number, number];
}

/** The mean colour of each occupied cell, and the cell of each pixel. */
const countColours = (rgba: Uint8Array) => {
  const counts = new Uint32Array(cells);
  const sums = new Float64Array(3 * cells);
  const cellOf = new Uint16Array(rgba.length / 4);
  for (let i = 0; i < cellOf.length; i++) {
    const r = rgba[4 * i];
    const g = rgba[4 * i + 1];
    const b = rgba[4 * i + 2];
    const cell = ((r >> 3) << 10) | ((g >> 3) << 5) | (b >> 3);
    cellOf[i] = cell;
    counts[cell]++;
    sums[3 * cell] += r;
    sums[3 * cell + 1] += g;
    sums[3 * cell + 2] += b;
  }
  const colours: Colour[] = [];
  for (let cell = 0; cell < cells; cell++)
    if (counts[cell] > 0) {
      const mean = (k: number): number => Math.round(sums[3 * cell + k] / counts[cell]);
      colours.push({ cell, count: counts[cell], rgb: [mean(0), mean(1), mean(2)] });
    }
  return { colours, cellOf };
};

const distance = (a: Colour['rgb'], b: Colour['rgb']): number =>
  Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);

/** At most 256 colours: the frequent ones, first those that lie far apart, so that rare hues have a place too. */
const choosePalette = (colours: readonly Colour[]): Colour[] => {
  const byCount = colours.toSorted((a, b) => b.count - a.count || a.cell - b.cell);
  const chosen = new Set<Colour>();
  for (const { apart, most } of [
    { apart: 28, most: 128 },
    { apart: 12, most: 208 },
    { apart: 0, most: 256 },
  ])
    for (const colour of byCount) {
      if (chosen.size >= most) break;
      if (chosen.has(colour)) continue;
      let near = false;
      for (const one of chosen) near ||= distance(one.rgb, colour.rgb) < apart;
      if (!near) chosen.add(colour);
    }
  return [...chosen];
};

const nearest = (palette: readonly Colour[], rgb: Colour['rgb']): number => {
  let [best, least] = [0, Number.POSITIVE_INFINITY];
  for (const [index, colour] of palette.entries()) {
    const away = distance(colour.rgb, rgb);
    if (away < least) [best, least] = [index, away];
  }
  return best;
};

/**
 * Quantises an image to 256 colours and encodes it as PNG: a third of the size for charts, so that notebooks with many
 * figures stay small.
 *
 * @param rgba row by row, [height · width · 4], 0 to 255, opaque
 */
export const palettePng = (rgba: Uint8Array, width: number, height: number): Buffer => {
  const { colours, cellOf } = countColours(rgba);
  const palette = choosePalette(colours);
  const indexOf = new Uint8Array(cells);
  for (const { cell, rgb } of colours) indexOf[cell] = nearest(palette, rgb);
  const indices = new Uint8Array(cellOf.length);
  for (let i = 0; i < indices.length; i++) indices[i] = indexOf[cellOf[i]];
  return encodePalettePng(
    indices,
    width,
    height,
    palette.map(({ rgb }) => rgb),
  );
};
