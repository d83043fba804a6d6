import { promisify } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import * as zlib from 'node:zlib';
import { Fault } from '../fault.js';
import { compressLzw } from './lzw.js';

/** Compressions that are written, as GDAL's users know them. */
export const compressionsWritten = ['deflate', 'zstd', 'lzw', 'none'] as const;
export type Compression = (typeof compressionsWritten)[number];

/** TIFF's numbers: Adobe Deflate, and the one that libtiff registered for Zstandard. */
export const compressionCodes = { none: 1, lzw: 5, deflate: 8, zstd: 50000 } as const;

type Compress = (bytes: Uint8Array, level: number) => Promise<Uint8Array>;

const deflate = promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.deflate);

/** `zstdCompress` came with Node 22.15; the typings here are those of the oldest Node supported. */
const zstd = (): Compress => {
  const { zstdCompress, constants } = zlib as unknown as {
    zstdCompress?: (
      bytes: Uint8Array,
      options: { params: Record<number, number> },
      done: (error: Error | null, out: Buffer) => void,
    ) => void;
    constants: Record<string, number>;
  };
  if (zstdCompress === undefined)
    throw new Fault(
      `compression: zstd; needs Node 22.15 or newer, this is ${process.versions.node}: give --compress deflate, or run it with a newer Node (nvm install 22)`,
    );
  return (bytes, level) =>
    new Promise((resolve, reject) =>
      zstdCompress(bytes, { params: { [constants['ZSTD_c_compressionLevel']]: level } }, (error, out) =>
        error ? reject(error) : resolve(out),
      ),
    );
};

/**
 * Differenced reflectance is mostly noise, in which long searches find nothing: zlib's level 3 with its largest table of
 * strings (memLevel 9) comes within half a percent of its usual level 6, or below it, in 0.6–0.8 of the time (measured on
 * Sentinel-2 scenes). Zstandard's is GDAL's own.
 *
 * zlib's level 1 would be no faster than 3, so 1 is something else here: runs and Huffman codes alone, in half the time and
 * some 10 % larger.
 */
export const defaultLevel = { none: 0, lzw: 0, deflate: 3, zstd: 9 } as const;

/**
 * The function that compresses one block: in libuv's thread pool when called from the main thread, at once in a worker,
 * which has a core of its own.
 * @throws Fault for a level that the compression does not have, and for zstd where this Node has none
 */
export const compressor = (compression: Compression, level: number = defaultLevel[compression]) => {
  const most = { none: 0, lzw: 0, deflate: 9, zstd: 22 }[compression];
  if (most === 0 && level !== 0)
    throw new Fault(`compression level: ${level}; ${compression} has none, leave it out`);
  if (!Number.isInteger(level) || level < Math.min(1, most) || level > most)
    throw new Fault(`compression level: ${level}; an integer from 1 to ${most} for ${compression}`);
  // one piece of output, one trip to the thread pool: as large as the largest so far, and a little
  let chunkSize = 0;
  const deflateWhole: Compress = async (bytes, at) => {
    const options = {
      level: at,
      memLevel: 9,
      strategy: at === 1 ? zlib.constants.Z_RLE : zlib.constants.Z_DEFAULT_STRATEGY,
      chunkSize: chunkSize || Math.max(1024, bytes.length),
    };
    const out = isMainThread ? await deflate(bytes, options) : zlib.deflateSync(bytes, options);
    chunkSize = Math.max(chunkSize, Math.ceil(out.length * 1.1) + 1024);
    return out;
  };
  const ways: Record<Compression, () => Compress> = {
    none: () => async (bytes) => bytes,
    lzw: () => async (bytes) => compressLzw(bytes),
    deflate: () => deflateWhole,
    zstd,
  };
  const compress = ways[compression]();
  return (bytes: Uint8Array): Promise<Uint8Array> => compress(bytes, level);
};
