import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault, reason, refuse } from '../fault.js';
import { makeFolder, removeAbandoned, removeAtExit, temporaryName } from '../files.js';
import { cogDirectories, cogLead } from './cog-layout.js';
import { overviewSizes, type Resampling } from './overview.js';
import { type PackedPart, type TileOptions, type TilePart, type Tiles, tilePacker } from './pack-tiles.js';
import type { BandArray } from './predictor.js';
import { openSpill, type Spill, writeAll } from './spill.js';
import { type Compression, defaultLevel } from './tiff-compression.js';
import type { RasterInfo } from './tiff-fields.js';

export interface CogOptions {
  /** @default 'deflate' */
  compression?: Compression;
  /** 1–9 for deflate, 1–22 for zstd. @default deflate 3, zstd 9 */
  level?: number;
  /** @default true unless compression is none */
  predictor?: boolean;
  /** Edge of a tile, a multiple of 16. @default 512 */
  tile?: number;
  /** How overviews are made: masks and classes by mode. @default 'average' */
  resampling?: Resampling;
  /** @default true */
  overviews?: boolean;
}

/** A cloud-optimised GeoTIFF being written, from its first row to its last. */
export interface CogWriter {
  /** How its tiles are made, for whoever makes them elsewhere. */
  tiles: TileOptions;
  /** Appends rows: each band `width·rows` samples. They are copied; waits while too much is under way. */
  write(bands: readonly BandArray[], rows: number): Promise<void>;
  /**
   * Appends a part that {@link tilePacker} made of full tile rows' height, but for the last: from left to right, then the
   * next row of tiles. For a writer whose rows are not written by {@link CogWriter.write}.
   */
  put(part: TilePart): Promise<void>;
  /** Puts the file together and gives it its name; resolves to its size in bytes. */
  finish(): Promise<number>;
  /** Removes everything. Safe at any time, also after `finish`. */
  abort(): Promise<void>;
}

/** Tiles that may wait for the thread pool. */
const tilesUnderWay = 16;
const arrays = { uint8: Uint8Array, uint16: Uint16Array, int16: Int16Array, float32: Float32Array } as const;

/** What a failed write was about; `ENOSPC` and its kind are the person's to mend. */
export const writeFault = (path: string, error: unknown): unknown => {
  if (error instanceof Fault) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new Fault(`disk full: ${path}; free space for twice the output, or write elsewhere`, 1);
  if (code !== undefined) return new Fault(`write: ${path}; ${reason(error)}`, 1);
  return error;
};

interface Level {
  width: number;
  height: number;
  /** One row of tiles of each band; empty until it is needed. */
  rows: BandArray[];
  filled: number;
  /** Rows handed on so far. */
  passed: number;
  spill: Spill;
  /** Compressed bytes of each tile, row by row. */
  counts: number[];
}

/**
 * Opens a cloud-optimised GeoTIFF: tiles, overviews down to one tile, directories first, GDAL's tile order and leader
 * and trailer bytes, BigTIFF beyond 4 GB, tiles without data left out. Compression runs in libuv's thread pool while the
 * caller computes. Memory: some 1.5 × 512 rows of the raster, and 100 MB. Until `finish`, compressed tiles lie in nameless
 * spill files in the folder of `path`, which needs room for twice the output; `path` appears complete or not at all.
 *
 * @throws Fault for a bad level or tile size, zstd on a Node without it, a folder that cannot be written
 */
export const createCog = async (
  path: string,
  info: RasterInfo,
  options: CogOptions = {},
): Promise<CogWriter> => {
  const { compression = 'deflate', tile = 512, resampling = 'average', overviews = true } = options;
  const { level = defaultLevel[compression] } = options;
  const predict = compression !== 'none' && (options.predictor ?? true);
  const tiles: TileOptions = { compression, level, predict, tile, resampling, overviews };
  const pack = tilePacker(info, tiles);
  refuse(
    Number.isInteger(tile) && tile > 0 && tile % 16 === 0 ? [] : [`tile: ${tile}; a positive multiple of 16`],
  );
  const levels: Level[] = [];
  let underWay = 0;
  let failure: unknown;
  let wake: (() => void) | null = null;
  let tail: Promise<void> = Promise.resolve();
  let temporary: string | null = null;
  let keep = (): void => {};
  let closed = false;

  const closeSpills = async (): Promise<void> => {
    await Promise.all(levels.splice(0).map(({ spill }) => spill.close()));
  };
  const abort = async (): Promise<void> => {
    closed = true;
    await tail;
    await closeSpills();
    if (temporary) await rm(temporary, { force: true });
    keep();
    temporary = null;
  };

  try {
    await makeFolder(dirname(path));
    await removeAbandoned(path);
    for (const [width, height] of [
      [info.width, info.height],
      ...(overviews ? overviewSizes(info.width, info.height, tile) : []),
    ])
      levels.push({
        width,
        height,
        rows: [],
        filled: 0,
        passed: 0,
        spill: await openSpill(temporaryName(path)),
        counts: [],
      });
  } catch (error) {
    await closeSpills();
    throw writeFault(path, error);
  }

  const rowsOf = (level: Level): BandArray[] => {
    if (level.rows.length === 0)
      level.rows = info.bands.map(() => new arrays[info.type](level.width * Math.min(tile, level.height)));
    return level.rows;
  };

  /** Appends the tiles of a part when they and all before them are compressed. */
  const store = async (level: Level, tiles: Promise<Tiles> | Tiles, count: number): Promise<void> => {
    while (underWay > 0 && underWay + count > tilesUnderWay)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    if (failure) throw writeFault(path, failure);
    underWay += count;
    tail = tail.then(async () => {
      try {
        if (closed || failure) return;
        for (const bytes of await tiles) {
          if (bytes) await level.spill.append(bytes);
          level.counts.push(bytes ? bytes.length - 8 : 0);
        }
      } catch (error) {
        failure ??= error;
      } finally {
        underWay -= count;
        wake?.();
      }
    });
  };

  /** Hands a whole row of tiles, halved, to the next level. */
  const passOn = async (index: number, height: number): Promise<void> => {
    levels[index].passed += height;
    levels[index].filled = 0;
    const next = levels[index + 1];
    if (next === undefined) return;
    next.filled += Math.ceil(height / 2);
    if (next.filled === tile || next.passed + next.filled === next.height) await flush(index + 1);
  };

  /** Copies a halved part to its place among the rows of the next level. */
  const halve = (index: number, { x, width, height, halved }: TilePart | PackedPart): void => {
    const next = levels[index + 1];
    if (next === undefined) return;
    const columns = Math.ceil(width / 2);
    rowsOf(next).forEach((band, b) => {
      for (let row = 0; row < Math.ceil(height / 2); row++)
        band.set(
          halved[b].subarray(row * columns, (row + 1) * columns),
          (next.filled + row) * next.width + x / 2,
        );
    });
  };

  const cutOut = info.bands.map(() => new arrays[info.type](tile * tile));

  /** Packs the rows that a level holds into tiles. */
  const flush = async (index: number): Promise<void> => {
    const level = levels[index];
    const height = level.filled;
    for (let x = 0; x < level.width; x += tile) {
      const width = Math.min(tile, level.width - x);
      const bands = rowsOf(level).map((band, b) => {
        const out = cutOut[b].subarray(0, width * height);
        for (let row = 0; row < height; row++)
          out.set(band.subarray(row * level.width + x, row * level.width + x + width), row * width);
        return out;
      });
      const part = pack(bands, { x, y: level.passed, width, height });
      halve(index, part);
      await store(level, part.tiles, 1);
    }
    await passOn(index, height);
  };

  const assemble = async (file: FileHandle): Promise<number> => {
    const { directories, end } = cogDirectories(info, levels, { compression, predict, tile });
    await writeAll(file, directories, 0);
    let at = cogLead(directories.length);
    for (const level of [...levels].reverse()) {
      await level.spill.copyTo(file, at);
      at += level.spill.size;
    }
    await file.sync();
    return end;
  };

  return {
    tiles,
    put: async (part) => {
      await store(levels[0], part.tiles, part.tiles.length);
      halve(0, part);
      if (part.x + part.width === info.width) await passOn(0, part.height);
    },
    write: async (bands, rows) => {
      const [level] = levels;
      const held = rowsOf(level);
      for (let from = 0; from < rows; ) {
        const count = Math.min(rows - from, Math.min(tile, level.height) - level.filled);
        bands.forEach((band, b) => {
          const part = band.subarray(from * level.width, (from + count) * level.width);
          held[b].set(part, level.filled * level.width);
        });
        level.filled += count;
        from += count;
        if (level.filled === tile || level.passed + level.filled === level.height) await flush(0);
      }
    },
    finish: async () => {
      try {
        await tail;
        if (failure) throw failure;
        if (levels[0].passed !== info.height)
          throw new Error(`cog: ${levels[0].passed} of ${info.height} rows written`);
        temporary = temporaryName(path);
        keep = removeAtExit(temporary);
        const file = await open(temporary, 'wx');
        let size: number;
        try {
          size = await assemble(file);
        } finally {
          await file.close();
        }
        await rename(temporary, path);
        keep();
        temporary = null;
        await closeSpills();
        return size;
      } catch (error) {
        await abort();
        throw writeFault(path, error);
      }
    },
    abort,
  };
};
