import { crc32, deflateSync } from 'node:zlib';

const chunk = (name: string, data: Uint8Array): Buffer => {
  const out = Buffer.alloc(12 + data.length);
  out.writeUInt32BE(data.length, 0);
  out.write(name, 4, 'latin1');
  out.set(data, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + data.length)), 8 + data.length);
  return out;
};

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);

/** The file of rows of `stride` bytes, unfiltered: flat areas of charts and small pictures need no prediction. */
const file = (
  rows: Uint8Array,
  {
    width,
    height,
    stride,
    colourType,
  }: { width: number; height: number; stride: number; colourType: number },
  between: readonly Buffer[] = [],
): Buffer => {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, colourType, 0, 0, 0], 8);
  const filtered = Buffer.alloc(height * (1 + stride));
  for (let row = 0; row < height; row++)
    filtered.set(rows.subarray(row * stride, (row + 1) * stride), row * (1 + stride) + 1);
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    ...between,
    chunk('IDAT', deflateSync(filtered, { level: 9 })),
    chunk('IEND', new Uint8Array(0)),
  ]);
};

/**
 * A PNG of 8 bits a channel: a picture inside a figure takes a tenth of the room of a list of its numbers.
 *
 * @param rgb row by row, [height · width · 3], 0 to 255
 */
export const encodePng = (rgb: Uint8Array, width: number, height: number): Buffer =>
  file(rgb, { width, height, stride: 3 * width, colourType: 2 });

/**
 * A PNG with a palette.
 *
 * @param indices row by row, [height · width], into `palette`
 * @param palette at most 256 colours, 0 to 255 each
 */
export const encodePalettePng = (
  indices: Uint8Array,
  width: number,
  height: number,
  palette: readonly (readonly [number, number, number])[],
): Buffer =>
  file(indices, { width, height, stride: width, colourType: 3 }, [
    chunk('PLTE', Uint8Array.from(palette.flat())),
  ]);
