import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { decompressLzw } from './lzw.js';
import { undoPredictor } from './undo-predictor.js';

/**
 * TIFF compressions that are read, by their codes, and the most that a byte can become: what claims more is damaged,
 * and is refused before memory is taken for it.
 */
export const compressions: Readonly<Record<number, { name: string; most: number }>> = {
  1: { name: 'none', most: 1 },
  5: { name: 'LZW', most: 4096 },
  8: { name: 'DEFLATE', most: 1040 },
  32773: { name: 'PackBits', most: 65 },
  32946: { name: 'DEFLATE', most: 1040 },
  50000: { name: 'ZSTD', most: 65536 },
};

export interface BlockLayout {
  compression: number;
  /** 1 none, 2 horizontal, 3 floating point. */
  predictor: number;
  bytesPerSample: number;
  /** Samples that lie interleaved in a block: all bands, or 1 where bands are apart. */
  samples: number;
  width: number;
  height: number;
  littleEndian: boolean;
}

const inflated = promisify<Uint8Array, { maxOutputLength: number; chunkSize: number }, Buffer>(inflate);

/** The same bytes at the start of a buffer of their own, where typed arrays of any kind may lie over them. */
const aligned = (bytes: Uint8Array): Uint8Array<ArrayBuffer> =>
  bytes.byteOffset % 8 === 0 && bytes.buffer instanceof ArrayBuffer
    ? (bytes as Uint8Array<ArrayBuffer>)
    : bytes.slice();

const swapBytes = (bytes: Uint8Array, size: number): void => {
  if (size === 2) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength & ~1).swap16();
  else if (size === 4) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength & ~3).swap32();
  else if (size === 8) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength & ~7).swap64();
};

/** Decompresses a block into at most `limit` bytes, so that a damaged one cannot ask for more. */
const decompress = async (compression: number, bytes: Uint8Array, limit: number): Promise<Uint8Array> => {
  // a copy: what is read may be kept by its source
  if (compression === 1) return bytes.slice();
  if (compression === 5) return decompressLzw(bytes, limit);
  if (compression === 8 || compression === 32946)
    // room for all and a little: one trip to the thread pool instead of one for each 16 kB
    return inflated(bytes, { maxOutputLength: limit, chunkSize: limit + 64 });
  if (compression === 50000) {
    const { ZSTDDecoder } = await import('zstddec');
    const zstd = new ZSTDDecoder();
    await zstd.init();
    return zstd.decode(bytes, limit);
  }
  const { getDecoder } = await import('geotiff');
  const decoder = await getDecoder(compression, {
    tileWidth: limit,
    tileHeight: 1,
    predictor: 1,
    bitsPerSample: 8,
    planarConfiguration: 1,
  });
  return new Uint8Array((await decoder.decode(bytes.slice().buffer)) as ArrayBuffer);
};

/**
 * Decodes the strips or tiles of a file to native byte order. DEFLATE is zlib's, off the main thread; PackBits is geotiff's,
 * and predictors are ours: geotiff leaves out the byte order under them, and 64 bits.
 *
 * @returns the block's bytes, at a multiple of 8 in their buffer
 */
export const blockDecoder = (
  layout: BlockLayout,
): ((bytes: Uint8Array, rows: number) => Promise<Uint8Array<ArrayBuffer>>) => {
  const { compression, predictor, bytesPerSample, samples, width, height, littleEndian } = layout;
  const rowSamples = width * samples;
  const rowBytes = rowSamples * bytesPerSample;
  return async (bytes, rows) => {
    const plain = aligned(await decompress(compression, bytes, height * rowBytes));
    const wanted = rows * rowBytes;
    if (plain.length < wanted)
      throw new Error(`holds ${plain.length} bytes instead of ${wanted} when decompressed`);
    // the floating-point predictor defines its own byte order
    if (!littleEndian && predictor !== 3) swapBytes(plain, bytesPerSample);
    undoPredictor(plain, { predictor, rows, rowSamples, samples, bytesPerSample });
    return plain;
  };
};
