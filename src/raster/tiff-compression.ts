import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { Fault } from '../fault.js';

export type Compression = 'deflate' | 'zstd' | 'none';

/** TIFF's numbers: Adobe Deflate, and the one that libtiff registered for Zstandard. */
export const compressionCodes = { none: 1, deflate: 8, zstd: 50000 } as const;

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
      `compression: zstd; needs Node 22.15 or newer, this is ${process.versions.node}: use deflate or another Node`,
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
 */
export const defaultLevel = { none: 0, deflate: 3, zstd: 9 } as const;

/** The function that compresses one block, in libuv's thread pool; a {@link Fault} where this Node has none. */
export const compressor = (compression: Compression, level: number = defaultLevel[compression]) => {
  const most = { none: 0, deflate: 9, zstd: 22 }[compression];
  if (!Number.isInteger(level) || level < (compression === 'none' ? 0 : 1) || level > most)
    throw new Fault(`compression level: ${level}; an integer from 1 to ${most} for ${compression}`);
  // one piece of output, one trip to the thread pool: as large as the largest so far, and a little
  let chunkSize = 0;
  const deflateWhole: Compress = async (bytes, at) => {
    const out = await deflate(bytes, {
      level: at,
      memLevel: 9,
      chunkSize: chunkSize || Math.max(1024, bytes.length),
    });
    chunkSize = Math.max(chunkSize, Math.ceil(out.length * 1.1) + 1024);
    return out;
  };
  const compress: Compress =
    compression === 'none' ? async (bytes) => bytes : compression === 'zstd' ? zstd() : deflateWhole;
  return (bytes: Uint8Array): Promise<Uint8Array> => compress(bytes, level);
};
