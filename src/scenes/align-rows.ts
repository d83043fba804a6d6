import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { applyConvWindow } from '../ops/apply-conv.js';
import type { ConvModule } from '../ops/mapping.js';
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
}

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
    yield { y, rows, bands, valid, codes };
  }
}

interface ConvPass {
  width: number;
  height: number;
  /** Edge of the windows, pixels. */
  window: number;
  module: ConvModule;
  /** Output of the LUT for every code, [codes] for each band. */
  mapped: readonly Float32Array[];
  codings: readonly PixelCoding[];
  /** A finished value as it is stored. */
  store: (value: number) => number;
  /** What stands at nodata. */
  nodata: number;
  allocate: (length: number) => BandArray;
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
    const table = pass.mapped[b];
    let at = b * rows * columns;
    for (let row = 0; row < rows; row++) {
      const from = (y - halo.top + row - held.top) * pass.width + x - halo.left;
      for (let i = from; i < from + columns; i++) scratch[at++] = table[codes[i]];
    }
  });
  const y1 = scratch.subarray(0, held.codes.length * rows * columns);
  applyConvWindow(
    pass.module,
    y1,
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
        out[b][to + column] = codes[from + column] === empty ? nodata : store(value);
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
 * are nodata count as the LUT of 0; masked pixels count as they are, for training saw them too.
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
    const bands = codings.map(() => pass.allocate((until - done) * width));
    for (let y = done; y < until; y += window)
      for (let x = 0; x < width; x += window) {
        const area = [x, y, Math.min(window, width - x), Math.min(window, until - y)] as const;
        convWindow(pass, held, area, done, scratch, result, bands);
        // finished tiles are handed on between windows
        await yieldToEvents();
      }
    const rows = until - done;
    const skip = (done - held.top) * width;
    const codes = held.codes.map((band) => band.subarray(skip, skip + rows * width));
    waiting = valid?.subarray(rows * width) ?? null;
    if (rows > 0) yield { y: done, rows, bands, valid: valid?.subarray(0, rows * width) ?? null, codes };
    done = until;
  }
}
