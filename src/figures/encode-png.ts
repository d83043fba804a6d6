import { crc32 } from 'node:zlib';
import { zlibSync } from 'fflate';

const chunk = (name: string, data: Uint8Array): Buffer => {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(name, 4, 'latin1');
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
};

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** Colour types of the PNG specification by bytes a pixel. */
const colourTypes = { 1: 3, 3: 2, 4: 6 } as const;

/**
 * A PNG file of unfiltered rows: charts and small pictures gain nothing from row filters. Compressed in JavaScript, because
 * the output of Node's zlib depends on the processor.
 */
const file = (
  pixels: Uint8Array,
  width: number,
  height: number,
  bytes: keyof typeof colourTypes,
  between: readonly Buffer[] = [],
): Buffer => {
  const stride = width * bytes;
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, colourTypes[bytes], 0, 0, 0], 8);
  const rows = new Uint8Array(height * (1 + stride));
  for (let row = 0; row < height; row++)
    rows.set(pixels.subarray(row * stride, (row + 1) * stride), row * (1 + stride) + 1);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    ...between,
    chunk('IDAT', zlibSync(rows, { level: 6 })),
    chunk('IEND', new Uint8Array(0)),
  ]);
};

/**
 * Encodes 8-bit RGB or RGBA as PNG, a tenth of the size of the same numbers in JSON. The bytes are the same on every
 * machine.
 *
 * @param pixels row by row, [height · width · channels], 0 to 255; three channels (RGB) or four (RGBA)
 */
export const encodePng = (pixels: Uint8Array, width: number, height: number): Buffer =>
  file(pixels, width, height, pixels.length === 4 * width * height ? 4 : 3);

/**
 * Encodes an image with a palette as PNG.
 *
 * @param indices row by row, [height · width], into `palette`
 * @param palette up to 256 RGB colours, 0 to 255
 */
export const encodePalettePng = (
  indices: Uint8Array,
  width: number,
  height: number,
  palette: readonly (readonly [number, number, number])[],
): Buffer => file(indices, width, height, 1, [chunk('PLTE', Uint8Array.from(palette.flat()))]);
