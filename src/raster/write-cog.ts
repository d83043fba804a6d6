import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Fault, reason, refuse } from '../fault.js';
import { makeFolder } from '../files.js';
import { cogDirectories, cogLead } from './cog-layout.js';
import { halveRows, overviewSizes, type Resampling } from './overview.js';
import { type BandArray, packBlock } from './predictor.js';
import { openSpill, type Spill, writeAll } from './spill.js';
import { ownedTemporaryName, removeAbandoned } from './temporary-file.js';
import { type Compression, compressor, defaultLevel } from './tiff-compression.js';
import { bytesPerSample, type RasterInfo } from './tiff-fields.js';

export interface CogOptions {
  /** @default 'deflate' */
  compression?: Compression;
  level?: number;
  /** @default true unless compression is none */
  predictor?: boolean;
  /** Edge of a tile, a multiple of 16. @default 512 */
  tile?: number;
  /** How overviews are made: masks and classes by mode. @default 'average' */
  resampling?: Resampling;
}

/** A cloud-optimised GeoTIFF being written, from its first row to its last. */
export interface CogWriter {
  /** Appends rows: each band `width·rows` samples. They are copied; waits while too much is under way. */
  write(bands: readonly BandArray[], rows: number): Promise<void>;
  /** Puts the file together and gives it its name; resolves to its size in bytes. */
  finish(): Promise<number>;
  /** Removes everything. Safe at any time, also after `finish`. */
  abort(): Promise<void>;
}

/** Bytes of packed tiles that may wait for the thread pool. */
const underWay = 32 << 20;
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
  /** One row of tiles of each band. */
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
 * and trailer bytes, BigTIFF beyond 4 GB. Compression runs in libuv's thread pool while the caller computes.
 * Memory: some 1.5 × 512 rows of the raster, and 100 MB. Until `finish`, compressed tiles lie in nameless spill files
 * in the folder of `path`, which needs room for twice the output; `path` appears complete or not at all.
 *
 * @throws Fault for a bad level or tile size, zstd on a Node without it, a folder that cannot be written
 */
export const createCog = async (
  path: string,
  info: RasterInfo,
  options: CogOptions = {},
): Promise<CogWriter> => {
  const { compression = 'deflate', tile = 512, resampling = 'average' } = options;
  const predict = compression !== 'none' && (options.predictor ?? true);
  const compress = compressor(compression, options.level ?? defaultLevel[compression]);
  refuse(
    Number.isInteger(tile) && tile > 0 && tile % 16 === 0 ? [] : [`tile: ${tile}; a positive multiple of 16`],
  );
  const samples = info.bands.length;
  const tileBytes = tile * tile * samples * bytesPerSample(info.type);
  const spare: ArrayBuffer[] = [];
  const levels: Level[] = [];
  let waiting = 0;
  let failure: unknown;
  let wake: (() => void) | null = null;
  let tail: Promise<void> = Promise.resolve();
  let temporary: string | null = null;
  let closed = false;

  const closeSpills = async (): Promise<void> => {
    await Promise.all(levels.splice(0).map(({ spill }) => spill.close()));
  };
  const abort = async (): Promise<void> => {
    closed = true;
    await tail;
    await closeSpills();
    if (temporary) await rm(temporary, { force: true });
    temporary = null;
  };

  try {
    await makeFolder(dirname(path));
    await removeAbandoned(path);
    for (const [width, height] of [
      [info.width, info.height],
      ...overviewSizes(info.width, info.height, tile),
    ])
      levels.push({
        width,
        height,
        rows: info.bands.map(() => new arrays[info.type](width * Math.min(tile, height))),
        filled: 0,
        passed: 0,
        spill: await openSpill(ownedTemporaryName(path)),
        counts: [],
      });
  } catch (error) {
    await closeSpills();
    throw writeFault(path, error);
  }

  /** Appends a tile when it and all before it are compressed: its size, its bytes, its last four bytes again. */
  const store = (level: Level, packed: Uint8Array): void => {
    waiting += packed.length;
    const compressed = compress(packed);
    // `tail` reports failures in order; this one must not count as unhandled meanwhile
    compressed.catch(() => {});
    tail = tail.then(async () => {
      try {
        if (closed || failure) return;
        const bytes = await compressed;
        const framed = new Uint8Array(bytes.length + 8);
        new DataView(framed.buffer).setUint32(0, bytes.length, true);
        framed.set(bytes, 4);
        framed.copyWithin(4 + bytes.length, bytes.length, bytes.length + 4);
        await level.spill.append(framed);
        level.counts.push(bytes.length);
      } catch (error) {
        failure ??= error;
      } finally {
        waiting -= packed.length;
        if (compression !== 'none') spare.push(packed.buffer as ArrayBuffer);
        wake?.();
      }
    });
  };

  const roomFor = async (bytes: number): Promise<void> => {
    while (waiting > 0 && waiting + bytes > underWay)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    if (failure) throw writeFault(path, failure);
  };

  /** Packs the rows that a level holds into tiles and halves them into the next level. */
  const flush = async (index: number): Promise<void> => {
    const level = levels[index];
    const height = level.filled;
    for (let x = 0; x < level.width; x += tile) {
      await roomFor(tileBytes);
      const width = Math.min(tile, level.width - x);
      const block = { stride: level.width, x, y: 0, width, height, blockWidth: tile, blockHeight: tile };
      store(level, packBlock(level.rows, block, predict, spare.pop()));
    }
    level.passed += height;
    level.filled = 0;
    const next = levels[index + 1];
    if (next === undefined) return;
    level.rows.forEach((band, b) => {
      halveRows(band, height, level.width, info.nodata, resampling, next.rows[b], next.filled * next.width);
    });
    next.filled += Math.ceil(height / 2);
    if (next.filled === tile || next.passed + next.filled === next.height) await flush(index + 1);
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
    write: async (bands, rows) => {
      const [level] = levels;
      for (let from = 0; from < rows; ) {
        const count = Math.min(rows - from, Math.min(tile, level.height) - level.filled);
        bands.forEach((band, b) => {
          const part = band.subarray(from * level.width, (from + count) * level.width);
          level.rows[b].set(part, level.filled * level.width);
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
        temporary = ownedTemporaryName(path);
        const file = await open(temporary, 'wx');
        let size: number;
        try {
          size = await assemble(file);
        } finally {
          await file.close();
        }
        await rename(temporary, path);
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
