import { packPixels } from './packed.js';
import type { Patch } from './patch.js';
import { readPatch } from './read-patch.js';
import { patchColumns, type TableColumns, type TableShape } from './statistics-table.js';

/** What is made of one patch. */
export interface RowJob {
  patch: Patch;
  bands: readonly string[];
  /** Statistics of this shape; null for none. */
  shape: TableShape | null;
  /** Packed pixels too. */
  pixels: boolean;
}

/** One patch, read: a row of the table, and its pixels as they are stored. */
export interface Row {
  width: number;
  height: number;
  columns: TableColumns | null;
  pixels: ArrayBuffer | null;
}

/**
 * Reads one patch; null when it has no valid pixel.
 * @throws Fault with all that is wrong with its files
 */
export const readRow = async ({ patch, bands, shape, pixels }: RowJob): Promise<Row | null> => {
  const read = await readPatch(patch, bands);
  if (!read.mask.some((valid) => valid !== 0)) return null;
  return {
    width: read.width,
    height: read.height,
    columns: shape && patchColumns(read, shape),
    pixels: pixels ? packPixels(read) : null,
  };
};
