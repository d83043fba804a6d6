import type { ConvModule, Halo } from '../engine/conv.js';
import { applyConvWindow, convOnCodes } from '../engine/conv.js';
import { kernelMemory, loadKernel, memoryPlan } from '../kernels.js';
import { compileMapping, type Mapping } from '../models/mapping.js';
import type { BandArray } from '../raster/predictor.js';
import { type SampleKernel, samplesPerCall } from '../raster/sample-kernel.js';
import {
  besideNodata,
  mappedCodes,
  type OutputType,
  outputArrays,
  storedCodes,
  storedValue,
} from './output-values.js';
import { bitsOf, type PixelCoding } from './pixel-coding.js';

/** What aligns the pixels of a scene. Plain data: it goes to workers as it is. */
export interface WindowMapping {
  mapping: Mapping;
  conv: ConvModule | null;
  type: OutputType;
  /** What stands at nodata; null: nothing declared, NaN in floats. */
  nodata: number | null;
}

/** Pixels to align, with the neighbours that a conv module sees. */
export interface CodeWindow {
  width: number;
  height: number;
  /** Rows and columns of neighbours around the window; none without a conv module. */
  halo: Halo;
  /** Codes of each band, neighbours included, row by row. */
  codes: readonly Uint16Array[];
}

/** Aligned pixels, [width·height]. They hold until the next window. */
export interface AlignedWindow {
  /** Stored samples of each band. */
  bands: BandArray[];
  /** Codes without the neighbours, for what else is read off the input. */
  codes: () => readonly Uint16Array[];
  /**
   * 1 where some band is nodata, and with it every aligned band: what a polynomial of all bands comes to. Null: a band is
   * nodata where its own code is.
   */
  missing: Uint8Array | null;
}

const lookUp = (source: Uint16Array, table: BandArray, out: BandArray): void => {
  for (let i = 0; i < source.length; i++) out[i] = table[source[i]];
};

/** Reads tables of 16-bit samples, one for each band, by kernels/codes.ts. */
const wordTables = (tables: readonly BandArray[]) => {
  const { take, size } = memoryPlan();
  const codesAt = take(2 * samplesPerCall);
  const tablesAt = tables.map((table) => take(table.byteLength));
  const memory = kernelMemory(size());
  const kernel = loadKernel<SampleKernel>('samples', memory);
  const chunk = new Uint16Array(memory.buffer, codesAt, samplesPerCall);
  tables.forEach((table, b) => {
    new Uint16Array(memory.buffer, tablesAt[b], table.length).set(bitsOf(table));
  });
  return (band: number, source: Uint16Array, out: BandArray): void => {
    const bits = bitsOf(out);
    for (let from = 0; from < source.length; from += samplesPerCall) {
      const count = Math.min(samplesPerCall, source.length - from);
      chunk.set(source.subarray(from, from + count));
      kernel.readTable(tablesAt[band], codesAt, count);
      bits.set(chunk.subarray(0, count), from);
    }
  };
};

/** 1 where the code of some band is nodata. */
const missingIn = (codes: readonly Uint16Array[], codings: readonly PixelCoding[]): Uint8Array => {
  const missing = new Uint8Array(codes[0].length);
  codes.forEach((band, b) => {
    const empty = codings[b].nodata;
    if (empty >= 0) for (let i = 0; i < band.length; i++) if (band[i] === empty) missing[i] = 1;
  });
  return missing;
};

/** The codes without the neighbours. */
const inner = ({ codes, width, height, halo }: CodeWindow): readonly Uint16Array[] => {
  const columns = width + halo.left + halo.right;
  if (columns === width && halo.top + halo.bottom === 0) return codes;
  return codes.map((band) => {
    const out = new Uint16Array(width * height);
    for (let row = 0; row < height; row++) {
      const from = (row + halo.top) * columns + halo.left;
      out.set(band.subarray(from, from + width), row * width);
    }
    return out;
  });
};

/** Arrays that are used again while their size stays. */
const scratch = <T extends BandArray>(Type: new (length: number) => T) => {
  let memory = new Type(0);
  return (length: number): T => {
    if (memory.length !== length) memory = new Type(length);
    return memory;
  };
};

/**
 * A function that aligns windows of a scene; what it makes of a pixel depends on no window's edge. Values are float32 before
 * they are stored. Neighbours that are nodata count as a value of 0; masked pixels count as they are, for training saw them
 * too; at the edge of the scene the conv module sees zeros, as in training.
 */
export const windowAligner = (
  { mapping, conv, type, nodata }: WindowMapping,
  codings: readonly PixelCoding[],
): ((window: CodeWindow) => AlignedWindow) => {
  const count = codings.length;
  const mapped = mapping.form === 'polynomial' ? null : mappedCodes(mapping, codings);
  const outputs = codings.map(() => scratch<BandArray>(outputArrays[type]));
  if (mapped && !conv) {
    // value by value: one table a band
    const stored = storedCodes(mapped, codings, type, nodata);
    const read =
      type === 'float32'
        ? (band: number, source: Uint16Array, out: BandArray): void => lookUp(source, stored[band], out)
        : wordTables(stored);
    return ({ codes }) => {
      const bands = codes.map((band, b) => {
        const out = outputs[b](band.length);
        read(b, band, out);
        return out;
      });
      return { bands, codes: () => codes, missing: null };
    };
  }
  if (mapped && conv && type !== 'float32') {
    const empty = codings.map((coding) => coding.nodata);
    const beside = besideNodata(type, nodata);
    const run = convOnCodes({ conv, tables: mapped, empty, type, nodata, beside });
    return (window) => {
      const { codes, width, height, halo } = window;
      const bands = outputs.map((output) => output(width * height));
      run(codes, width, height, halo, bands as (Uint16Array | Int16Array)[]);
      return { bands, codes: () => inner(window), missing: null };
    };
  }
  const tables = mapped ?? codings.map(({ values }) => values);
  const joint = mapped ? null : compileMapping(mapping);
  const [valuesOf, mappedOf, resultOf] = [0, 1, 2].map(() => scratch(Float32Array));
  const store = storedValue(type, nodata);
  const empty = nodata ?? Number.NaN;
  return (window) => {
    const { width, height, halo } = window;
    const length = window.codes[0].length;
    let values = valuesOf(count * length);
    window.codes.forEach((band, b) => {
      lookUp(band, tables[b], values.subarray(b * length, (b + 1) * length));
    });
    if (joint) {
      const out = mappedOf(count * length);
      joint(values, length, out);
      values = out;
    }
    if (conv) {
      const out = resultOf(count * width * height);
      applyConvWindow(conv, values, width, height, halo, out);
      values = out;
    }
    const codes = inner(window);
    const missing = joint ? missingIn(codes, codings) : null;
    const bands = codes.map((band, b) => {
      const out = outputs[b](width * height);
      const from = b * width * height;
      const { nodata: emptyCode } = codings[b];
      if (missing)
        for (let i = 0; i < out.length; i++) out[i] = missing[i] === 1 ? empty : store(values[from + i]);
      else
        for (let i = 0; i < out.length; i++) out[i] = band[i] === emptyCode ? empty : store(values[from + i]);
      return out;
    });
    return { bands, codes: () => codes, missing };
  };
};
