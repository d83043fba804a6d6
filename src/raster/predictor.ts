import { isWords, packFour, type Words } from './four-bands.js';

/** Arrays that hold one band, row by row. */
export type BandArray = Uint8Array | Uint16Array | Int16Array | Float32Array;

/** Sample types that are written. */
export type SampleType = 'uint8' | 'uint16' | 'int16' | 'float32';

/** Where a block lies in its bands and how large it is in the file (edge blocks are filled up). */
export interface Block {
  /** Samples between two rows of a band. */
  stride: number;
  x: number;
  y: number;
  /** Pixels that exist. */
  width: number;
  height: number;
  /** Pixels in the file. */
  blockWidth: number;
  blockHeight: number;
}

/** TIFF predictor 2, or 3 for floats, in 8-bit steps with `samples` samples apart (TIFF technical note 3). */
const differenceBytes = (row: Uint8Array, samples: number): void => {
  for (let i = row.length - 1; i >= samples; i--) row[i] -= row[i - samples];
};

/** Reorders the floats of one row by significance of their bytes, most significant first, then takes differences. */
const predictFloatRow = (row: Uint8Array, samples: number, work: Uint8Array): void => {
  const count = row.length / 4;
  for (let i = 0; i < count; i++)
    for (let byte = 0; byte < 4; byte++) work[(3 - byte) * count + i] = row[4 * i + byte];
  row.set(work);
  differenceBytes(row, samples);
};

const differenceRow = (
  source: BandArray,
  start: number,
  count: number,
  out: BandArray,
  at: number,
  step: number,
): void => {
  let before = 0;
  for (let i = 0; i < count; i++) {
    const value = source[start + i];
    out[at + i * step] = value - before;
    before = value;
  }
};

const copyRow = (
  source: BandArray,
  start: number,
  count: number,
  out: BandArray,
  at: number,
  step: number,
): void => {
  for (let i = 0; i < count; i++) out[at + i * step] = source[start + i];
};

/**
 * Cuts a block out of planar bands into pixel-interleaved little-endian bytes, with horizontal differencing
 * (`predict`; the floating-point form for float32). What an edge block lacks repeats the last column and row,
 * which costs almost nothing after differencing.
 *
 * @param into memory to use again, of exactly the block's bytes
 */
export const packBlock = (
  bands: readonly BandArray[],
  block: Block,
  predict: boolean,
  into?: ArrayBuffer,
): Uint8Array => {
  const samples = bands.length;
  const { blockWidth, blockHeight, width, height } = block;
  const rowLength = blockWidth * samples;
  const first = bands[0];
  const Type = first.constructor as new (buffer: ArrayBuffer) => BandArray;
  const out = new Type(into ?? new ArrayBuffer(rowLength * blockHeight * first.BYTES_PER_ELEMENT));
  const isFloat = first instanceof Float32Array;
  const difference = predict && !isFloat;
  const four = difference && samples === 4 && isWords(out);
  if (four)
    packFour(
      bands as readonly Words[],
      { start: block.y * block.stride + block.x, stride: block.stride, width, blockWidth, rows: height },
      out,
    );
  for (let row = 0; row < (four ? 0 : height); row++) {
    const at = row * rowLength;
    for (let band = 0; band < samples; band++) {
      const source = bands[band];
      const start = (block.y + row) * block.stride + block.x;
      // typed arrays wrap, which is what the predictor asks for
      if (difference) differenceRow(source, start, width, out, at + band, samples);
      else copyRow(source, start, width, out, at + band, samples);
      // a repeated value is a difference of zero
      const before = difference ? 0 : source[start + width - 1];
      for (let column = width; column < blockWidth; column++) out[at + band + column * samples] = before;
    }
  }
  for (let row = height; row < blockHeight; row++)
    out.copyWithin(row * rowLength, (height - 1) * rowLength, height * rowLength);
  const bytes = new Uint8Array(out.buffer);
  if (predict && isFloat) {
    const rowBytes = rowLength * 4;
    const work = new Uint8Array(rowBytes);
    for (let row = 0; row < blockHeight; row++)
      predictFloatRow(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), samples, work);
  }
  return bytes;
};
