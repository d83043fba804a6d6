import { inflateSync } from 'node:zlib';
import { encodePalettePng } from '../encode-png.js';

/** Pixels of a PNG of 8 bits a channel, not interlaced: what browsers write. */
interface Pixels {
  width: number;
  height: number;
  /** 3 (RGB) or 4 (RGBA). */
  channels: number;
  values: Uint8Array;
}

const paeth = (left: number, up: number, corner: number): number => {
  const [a, b, c] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  return a <= b && a <= c ? left : b <= c ? up : corner;
};

/** Undoes the row filters of PNG in place of a copy (PNG specification, §9.2). */
const unfilter = (raw: Uint8Array, stride: number, height: number, channels: number): Uint8Array => {
  const out = new Uint8Array(stride * height);
  for (let row = 0; row < height; row++) {
    const filter = raw[row * (stride + 1)];
    const from = row * (stride + 1) + 1;
    const to = row * stride;
    for (let i = 0; i < stride; i++) {
      const left = i >= channels ? out[to + i - channels] : 0;
      const up = row > 0 ? out[to + i - stride] : 0;
      const corner = row > 0 && i >= channels ? out[to + i - stride - channels] : 0;
      const predicted =
        filter === 0
          ? 0
          : filter === 1
            ? left
            : filter === 2
              ? up
              : filter === 3
                ? (left + up) >> 1
                : paeth(left, up, corner);
      out[to + i] = raw[from + i] + predicted;
    }
  }
  return out;
};

/** Decodes what browsers write; null for any other form of PNG. */
const decode = (png: Uint8Array): Pixels | null => {
  const bytes = Buffer.from(png.buffer, png.byteOffset, png.byteLength);
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  const [depth, colourType, , , interlaced] = bytes.subarray(24, 29);
  const channels = colourType === 6 ? 4 : colourType === 2 ? 3 : 0;
  if (depth !== 8 || channels === 0 || interlaced !== 0) return null;
  const parts: Buffer[] = [];
  for (let at = 8; at + 12 <= bytes.length; at += 12 + bytes.readUInt32BE(at))
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT')
      parts.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)));
  const raw = inflateSync(Buffer.concat(parts));
  return { width, height, channels, values: unfilter(raw, width * channels, height, channels) };
};

/** Colours are told apart by five bits a channel. */
const cells = 1 << 15;

interface Colour {
  cell: number;
  count: number;
  rgb: readonly [number, number, number];
}

/** The mean colour of each occupied cell, and the cell of each pixel (alpha over white). */
const countColours = ({ values, channels, width, height }: Pixels) => {
  const counts = new Uint32Array(cells);
  const sums = new Float64Array(3 * cells);
  const cellOf = new Uint16Array(width * height);
  for (let i = 0; i < cellOf.length; i++) {
    const alpha = channels === 4 ? values[4 * i + 3] : 255;
    const over = (k: number): number =>
      alpha === 255
        ? values[channels * i + k]
        : Math.round((values[channels * i + k] * alpha + 255 * (255 - alpha)) / 255);
    const [r, g, b] = [over(0), over(1), over(2)];
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
 * A browser's PNG with at most 256 colours: a third of the bytes for charts, whose colours are few, so that notebooks
 * with many figures stay small. Other forms of PNG come back as they are.
 */
export const palettePng = (png: Uint8Array): Uint8Array => {
  const pixels = decode(png);
  if (!pixels) return png;
  const { colours, cellOf } = countColours(pixels);
  const palette = choosePalette(colours);
  const indexOf = new Uint8Array(cells);
  for (const { cell, rgb } of colours) indexOf[cell] = nearest(palette, rgb);
  const indices = Uint8Array.from(cellOf, (cell) => indexOf[cell]);
  const small = encodePalettePng(
    indices,
    pixels.width,
    pixels.height,
    palette.map(({ rgb }) => rgb),
  );
  return small.length < png.length ? small : png;
};
