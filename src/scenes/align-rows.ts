import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { ConvModule } from '../engine/conv.js';
import { applyConvWindow } from '../engine/conv.js';
import type { CompiledMapping } from '../models/mapping.js';
import type { BandArray } from '../raster/predictor.js';
import type { PixelCoding } from './pixel-coding.js';
import type { SceneRows } from './scene-rows.js';

/** Finished rows, stored samples of each band. */
export interface AlignedRows {
  y: number;
  rows: number;
  bands: BandArray[];
  valid: Uint8Array | null;
  /** Codes of these rows, for what else is read off the input. */
  codes: Uint16Array[];
  /**
   * 1 where some band is nodata, and with it every aligned band: what a polynomial of all bands comes to. Null: a band is
   * nodata where its own code is.
   */
  missing: Uint8Array | null;
}

/** 1 where the code of some band is nodata. */
const missingIn = (codes: readonly Uint16Array[], codings: readonly PixelCoding[]): Uint8Array => {
  const missing = new Uint8Array(codes[0].length);
  codes.forEach((band, b) => {
    const empty = codings[b].nodata;
    if (empty >= 0) for (let i = 0; i < band.length; i++) if (band[i] === empty) missing[i] = 1;
  });
  return missing;
};

const lookUp = (source: Uint16Array, table: BandArray, out: BandArray): void => {
  for (let i = 0; i < source.length; i++) out[i] = table[source[i]];
};

/** Alignment without a conv module: each band is a table. What it yields holds until the next rows. */
export async function* alignByTable(
  source: AsyncIterable<SceneRows>,
  tables: readonly BandArray[],
): AsyncGenerator<AlignedRows, void, void> {
  let memory: BandArray[] = [];
  for await (const { y, rows, codes, valid } of source) {
    const { length } = codes[0];
    if (!(memory[0]?.length >= length))
      memory = tables.map((table) => new (table.constructor as new (length: number) => BandArray)(length));
    const bands = memory.map((out) => out.subarray(0, length));
    codes.forEach((band, b) => {
      lookUp(band, tables[b], bands[b]);
    });
    yield { y, rows, bands, valid, codes, missing: null };
  }
}

/** How values become stored samples. */
interface Storing {
  /** A finished value as it is stored. */
  store: (value: number) => number;
  /** What stands at nodata. */
  nodata: number;
  allocate: (length: number) => BandArray;
}

/**
 * Alignment by a polynomial of all bands, without a conv module: a pixel that is nodata in any band is nodata in all. Values
 * are float32 before they are stored, as those of a table are.
 */
export async function* alignByPolynomial(
  source: AsyncIterable<SceneRows>,
  apply: CompiledMapping,
  codings: readonly PixelCoding[],
  { store, nodata, allocate }: Storing,
): AsyncGenerator<AlignedRows, void, void> {
  let values = new Float32Array(0);
  let mapped = new Float32Array(0);
  for await (const { y, rows, codes, valid } of source) {
    const { length } = codes[0];
    if (values.length !== length * codings.length) {
      values = new Float32Array(length * codings.length);
      mapped = new Float32Array(length * codings.length);
    }
    codes.forEach((band, b) => {
      lookUp(band, codings[b].values, values.subarray(b * length, (b + 1) * length));
    });
    apply(values, length, mapped);
    const missing = missingIn(codes, codings);
    const bands = codes.map((_, b) => {
      const out = allocate(length);
      for (let i = 0; i < length; i++) out[i] = missing[i] === 1 ? nodata : store(mapped[b * length + i]);
      return out;
    });
    yield { y, rows, bands, valid, codes, missing };
  }
}

interface ConvPass extends Storing {
  width: number;
  height: number;
  /** Edge of the windows, pixels. */
  window: number;
  module: ConvModule;
  /** What each code of a band becomes before the conv module, [codes] for each band. */
  tables: readonly Float32Array[];
  /** Applied to what the tables give: a polynomial of all bands. Null: the tables are the mapping. */
  joint: CompiledMapping | null;
  codings: readonly PixelCoding[];
}

/** Rows `first` to `end` of the scene, in arrays that begin at row `top`. */
interface Held {
  top: number;
  end: number;
  codes: Uint16Array[];
}

const convWindow = (
  pass: ConvPass,
  held: Held,
  [x, y, width, height]: readonly [number, number, number, number],
  y0: number,
  scratch: Float32Array,
  result: Float32Array,
  missing: Uint8Array | null,
  out: readonly BandArray[],
): void => {
  const halo = {
    left: x > 0 ? 1 : 0,
    top: y > 0 ? 1 : 0,
    right: x + width < pass.width ? 1 : 0,
    bottom: y + height < pass.height ? 1 : 0,
  } as const;
  const columns = width + halo.left + halo.right;
  const rows = height + halo.top + halo.bottom;
  held.codes.forEach((codes, b) => {
    const table = pass.tables[b];
    let at = b * rows * columns;
    for (let row = 0; row < rows; row++) {
      const from = (y - halo.top + row - held.top) * pass.width + x - halo.left;
      for (let i = from; i < from + columns; i++) scratch[at++] = table[codes[i]];
    }
  });
  const input = scratch.subarray(0, held.codes.length * rows * columns);
  const mapped = pass.joint ? new Float32Array(input.length) : input;
  pass.joint?.(input, rows * columns, mapped);
  applyConvWindow(
    pass.module,
    mapped,
    width,
    height,
    halo,
    result.subarray(0, held.codes.length * width * height),
  );
  held.codes.forEach((codes, b) => {
    const { store, nodata, codings } = pass;
    const empty = codings[b].nodata;
    let at = b * width * height;
    for (let row = 0; row < height; row++) {
      const from = (y + row - held.top) * pass.width + x;
      const to = (y + row - y0) * pass.width + x;
      for (let column = 0; column < width; column++) {
        const value = result[at++];
        const isEmpty = missing ? missing[to + column] === 1 : codes[from + column] === empty;
        out[b][to + column] = isEmpty ? nodata : store(value);
      }
    }
  });
};

/** The rows held so far that are still needed, followed by the rows that came. */
const append = (held: Held | null, from: number, next: SceneRows, width: number): Held => {
  if (held === null) return { top: next.y, end: next.y + next.rows, codes: next.codes };
  const kept = (held.end - from) * width;
  return {
    top: from,
    end: next.y + next.rows,
    codes: next.codes.map((codes, b) => {
      const joined = new Uint16Array(kept + codes.length);
      joined.set(held.codes[b].subarray((from - held.top) * width));
      joined.set(codes, kept);
      return joined;
    }),
  };
};

const appendValid = (kept: Uint8Array | null, next: Uint8Array | null): Uint8Array | null => {
  if (next === null || kept === null || kept.length === 0) return next;
  const joined = new Uint8Array(kept.length + next.length);
  joined.set(kept);
  joined.set(next, kept.length);
  return joined;
};

/**
 * Alignment with the conv module, in windows that carry a halo of one pixel across each other's edges; at the edge
 * of the scene the module sees zeros, as in training. A row waits until the one below it is there. Neighbours that
 * are nodata count as a value of 0; masked pixels count as they are, for training saw them too.
 */
export async function* alignByConv(
  source: AsyncIterable<SceneRows>,
  pass: ConvPass,
): AsyncGenerator<AlignedRows, void, void> {
  const { width, height, window, codings } = pass;
  const edge = Math.min(window, Math.max(width, height)) + 2;
  const scratch = new Float32Array(codings.length * edge * edge);
  const result = new Float32Array(codings.length * edge * edge);
  let held: Held | null = null;
  let waiting: Uint8Array | null = null;
  let done = 0;
  for await (const next of source) {
    held = append(held, Math.max(0, done - 1), next, width);
    const valid = appendValid(waiting, next.valid);
    const until = held.end === height ? height : held.end - 1;
    const rows = until - done;
    const skip = (done - held.top) * width;
    const codes = held.codes.map((band) => band.subarray(skip, skip + rows * width));
    const missing = pass.joint ? missingIn(codes, codings) : null;
    const bands = codings.map(() => pass.allocate(rows * width));
    for (let y = done; y < until; y += window)
      for (let x = 0; x < width; x += window) {
        const area = [x, y, Math.min(window, width - x), Math.min(window, until - y)] as const;
        convWindow(pass, held, area, done, scratch, result, missing, bands);
        // finished tiles are handed on between windows
        await yieldToEvents();
      }
    waiting = valid?.subarray(rows * width) ?? null;
    if (rows > 0)
      yield { y: done, rows, bands, valid: valid?.subarray(0, rows * width) ?? null, codes, missing };
    done = until;
  }
}
