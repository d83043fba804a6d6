import { kernelMemory, loadKernel, memoryPlan } from '../kernels.js';
import type { BandArray } from './predictor.js';
import { type SampleKernel, samplesPerCall } from './sample-kernel.js';

/**
 * How four pixels become one: mean of the values that are not nodata, the most frequent of them, or the first, as
 * it is.
 */
export type Resampling = 'average' | 'mode' | 'nearest';

/** Sizes of the overviews of a raster, each half the one before, rounded up, until one fits into a tile. */
export const overviewSizes = (width: number, height: number, tile: number): [number, number][] => {
  const sizes: [number, number][] = [];
  while (width > tile || height > tile) {
    width = Math.ceil(width / 2);
    height = Math.ceil(height / 2);
    sizes.push([width, height]);
  }
  return sizes;
};

type HalveRow = (
  source: BandArray,
  top: number,
  bottom: number,
  width: number,
  nodata: number,
  out: BandArray,
  at: number,
) => void;

/** Equal to no sample: arithmetic stays in small integers, which a NaN would spoil. */
const noNodata = 0x3fffffff;

/** Integers: rounded half up; a mean of valid values that falls on nodata is moved by one. */
const averageIntegers: HalveRow = (source, top, bottom, width, given, out, at) => {
  const nodata = Number.isInteger(given) ? given | 0 : noNodata;
  const beside = nodata === 0 ? 1 : nodata - Math.sign(nodata);
  for (let left = 0; left < width; left += 2) {
    const right = left + 1 < width ? left + 1 : left;
    const a = source[top + left];
    const b = source[top + right];
    const c = source[bottom + left];
    const d = source[bottom + right];
    let mean: number;
    if (a !== nodata && b !== nodata && c !== nodata && d !== nodata) mean = (a + b + c + d + 2) >> 2;
    else {
      const count = +(a !== nodata) + +(b !== nodata) + +(c !== nodata) + +(d !== nodata);
      if (count === 0) {
        out[at++] = nodata;
        continue;
      }
      // what is left out counted as zero
      const sum = a + b + c + d - (4 - count) * nodata;
      mean = Math.floor(sum / count + 0.5);
    }
    out[at++] = mean === nodata ? beside : mean;
  }
};

const averageFloats: HalveRow = (source, top, bottom, width, nodata, out, at) => {
  const values = [0, 0, 0, 0];
  for (let left = 0; left < width; left += 2) {
    const right = left + 1 < width ? left + 1 : left;
    values[0] = source[top + left];
    values[1] = source[top + right];
    values[2] = source[bottom + left];
    values[3] = source[bottom + right];
    let sum = 0;
    let count = 0;
    for (const value of values)
      if (value !== nodata && !Number.isNaN(value)) {
        sum += value;
        count++;
      }
    out[at++] = count === 0 ? nodata : sum / count;
  }
};

/** Ties go to the value that comes first, row by row. */
const modeRow: HalveRow = (source, top, bottom, width, nodata, out, at) => {
  for (let left = 0; left < width; left += 2) {
    const right = left + 1 < width ? left + 1 : left;
    const four = [source[top + left], source[top + right], source[bottom + left], source[bottom + right]];
    let best = nodata;
    let most = 0;
    for (const value of four) {
      if (value === nodata) continue;
      const count = four.filter((other) => other === value).length;
      if (count > most) [best, most] = [value, count];
    }
    out[at++] = Number.isNaN(best) ? four[0] : best;
  }
};

const nearestRow: HalveRow = (source, top, _bottom, width, _nodata, out, at) => {
  for (let left = 0; left < width; left += 2) out[at++] = source[top + left];
};

/** A wider row is not for the kernel. */
const widest = samplesPerCall / 2;

/** {@link averageIntegers} of unsigned 16-bit samples, `width` a multiple of 16, `rows` even: by kernels/halve.ts. */
const makeAverageWords = () => {
  const { take, size } = memoryPlan();
  const [sourceAt, outAt] = [take(2 * samplesPerCall), take(samplesPerCall / 2)];
  const memory = kernelMemory(size());
  const kernel = loadKernel<SampleKernel>('samples', memory);
  const samples = new Uint16Array(memory.buffer, sourceAt, samplesPerCall);
  const halved = new Uint16Array(memory.buffer, outAt, samplesPerCall / 4);
  return (
    source: Uint16Array,
    rows: number,
    width: number,
    given: number | null,
    out: Uint16Array,
    at: number,
  ): void => {
    const nodata = given !== null && Number.isInteger(given) && given >= 0 && given <= 0xffff ? given : -1;
    const most = 2 * Math.floor(widest / width);
    for (let row = 0; row < rows; row += most) {
      const count = Math.min(most, rows - row);
      samples.set(source.subarray(row * width, (row + count) * width));
      kernel.halve(sourceAt, width, count, nodata, nodata === 0 ? 1 : nodata - 1, outAt);
      out.set(halved.subarray(0, (count * width) / 4), at + (row * width) / 4);
    }
  };
};

let averageWords: ReturnType<typeof makeAverageWords> | undefined;

/**
 * Halves `rows` rows of `width` pixels into ceil(rows/2) rows of ceil(width/2), beginning at `at` in `out`.
 * Overviews are made from one another, as GDAL does; pixels that lack a neighbour at the edge stand for it.
 */
export const halveRows = (
  source: BandArray,
  rows: number,
  width: number,
  nodata: number | null,
  resampling: Resampling,
  out: BandArray,
  at: number,
): void => {
  if (
    resampling === 'average' &&
    source instanceof Uint16Array &&
    out instanceof Uint16Array &&
    width % 16 === 0 &&
    width <= widest &&
    rows % 2 === 0
  ) {
    averageWords ??= makeAverageWords();
    averageWords(source, rows, width, nodata, out, at);
    return;
  }
  const halve =
    resampling === 'mode'
      ? modeRow
      : resampling === 'nearest'
        ? nearestRow
        : source instanceof Float32Array
          ? averageFloats
          : averageIntegers;
  const columns = Math.ceil(width / 2);
  for (let row = 0; row < rows; row += 2) {
    const top = row * width;
    const bottom = row + 1 < rows ? top + width : top;
    halve(source, top, bottom, width, nodata ?? Number.NaN, out, at + (row / 2) * columns);
  }
};
