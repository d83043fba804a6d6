import { kernelMemory, loadKernel, memoryPlan } from '../kernels.js';
import type { Pixels } from './raster.js';
import { type SampleKernel, samplesPerCall } from './sample-kernel.js';

/** Samples of 16 bits, signed or not. */
export type Words = Uint16Array | Int16Array;

export const isWords = (pixels: Pixels): pixels is Words =>
  pixels instanceof Uint16Array || pixels instanceof Int16Array;

/** What the kernel writes beyond an end. */
const slack = 64;

const makeSpace = (width: number) => {
  const rows = Math.max(1, Math.floor(samplesPerCall / 4 / width));
  const plane = 2 * rows * width + slack;
  const { take, size } = memoryPlan();
  const [pixelsAt, planesAt] = [take(8 * rows * width + slack), take(4 * plane)];
  const memory = kernelMemory(size());
  return {
    width,
    /** Rows that one call takes. */
    rows,
    plane,
    pixelsAt,
    planesAt,
    pixels: new Uint16Array(memory.buffer, pixelsAt, 4 * rows * width),
    planes: [0, 1, 2, 3].map((band) => new Uint16Array(memory.buffer, planesAt + band * plane, rows * width)),
    kernel: loadKernel<SampleKernel>('samples', memory),
  };
};

let space: ReturnType<typeof makeSpace> | undefined;

/** Memory for rows of `width` pixels: the last one, for widths seldom change. */
const spaceOf = (width: number): ReturnType<typeof makeSpace> => {
  if (space?.width !== width) space = makeSpace(width);
  return space;
};

/** Where a part of a block lies in it and where it goes, pixels. */
export interface Part {
  from: number;
  /** Pixels between two rows of the block. */
  stride: number;
  to: number;
  /** Pixels between two rows of the window. */
  width: number;
  columns: number;
  rows: number;
}

/**
 * Takes a block of four interleaved bands apart, undoing their differences on the way: the usual scene.
 *
 * @param differences samples are differences to those on the left (predictor 2)
 * @param wanted samples of a pixel, 0 to 3, and where each goes
 */
export const splitFour = (
  block: Words,
  differences: boolean,
  { from, stride, to: at, width, columns, rows }: Part,
  wanted: readonly { sample: number; to: Pixels }[],
): void => {
  const { kernel, pixels, pixelsAt, planes, planesAt, plane: planeBytes, rows: most } = spaceOf(stride);
  const first = Math.floor(from / stride);
  const left = from - first * stride;
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    pixels.set(block.subarray(4 * (first + row) * stride, 4 * (first + row + count) * stride));
    kernel.splitFour(pixelsAt, stride, count, differences, planesAt, planeBytes);
    for (const { sample, to } of wanted) {
      const plane = planes[sample];
      if (columns === stride && columns === width) to.set(plane.subarray(0, count * width), at + row * width);
      else
        for (let each = 0; each < count; each++) {
          const start = each * stride + left;
          to.set(plane.subarray(start, start + columns), at + (row + each) * width);
        }
    }
  }
};

/** Where the rows of four bands lie that are to become a block. */
export interface BandRows {
  /** Sample of the first pixel, and samples between two rows. */
  start: number;
  stride: number;
  /** Pixels of a row that exist, and in the block. */
  width: number;
  blockWidth: number;
  rows: number;
}

/** Interleaves rows of four bands as differences to the left (predictor 2); those beyond `width` are 0. */
export const packFour = (
  bands: readonly Words[],
  { start, stride, width, blockWidth, rows }: BandRows,
  out: Words,
): void => {
  const { kernel, pixels, pixelsAt, planes, planesAt, plane, rows: most } = spaceOf(blockWidth);
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    bands.forEach((band, b) => {
      const from = start + row * stride;
      if (stride === blockWidth && width === blockWidth)
        planes[b].set(band.subarray(from, from + count * stride));
      else
        for (let each = 0; each < count; each++) {
          const at = from + each * stride;
          planes[b].set(band.subarray(at, at + width), each * blockWidth);
          // a repeated value is a difference of zero
          planes[b].fill(band[at + width - 1], each * blockWidth + width, (each + 1) * blockWidth);
        }
    });
    kernel.packFour(planesAt, plane, blockWidth, count, pixelsAt);
    out.set(pixels.subarray(0, 4 * count * blockWidth), 4 * row * blockWidth);
  }
};
