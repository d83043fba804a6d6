import { promisify } from 'node:util';
import { isMainThread } from 'node:worker_threads';
import { inflate, inflateSync } from 'node:zlib';
import { decompressLzw } from './lzw.js';
import type { PixelType } from './raster.js';
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
  // a constant block is but its header
  34887: { name: 'LERC', most: 1 << 24 },
  50000: { name: 'ZSTD', most: 65536 },
};

/** Names of compressions that are not read, for messages. */
export const compressionNames: Readonly<Record<number, string>> = {
  2: 'CCITT RLE',
  3: 'CCITT FAX3',
  4: 'CCITT FAX4',
  6: 'old JPEG',
  7: 'JPEG',
  32809: 'ThunderScan',
  34712: 'JPEG 2000',
  34925: 'LZMA',
  50001: 'WebP',
  50002: 'JPEG XL',
  52546: 'JPEG XL',
};

export interface BlockLayout {
  compression: number;
  /** 1 none, 2 horizontal, 3 floating point. */
  predictor: number;
  bytesPerSample: number;
  /** Bits of a sample in the file, no more than these bytes have. */
  bits: number;
  /** Samples that lie interleaved in a block: all bands, or 1 where bands are apart. */
  samples: number;
  width: number;
  height: number;
  littleEndian: boolean;
  type: PixelType;
  /** What is around LERC, by its tag. */
  aroundLerc: number;
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
  if (compression === 8 || compression === 32946) {
    // room for all and a little: one trip to the thread pool instead of one for each 16 kB
    const options = { maxOutputLength: limit, chunkSize: limit + 64 };
    // a worker has a core of its own
    return isMainThread ? inflated(bytes, options) : inflateSync(bytes, options);
  }
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

/** Samples of fewer bits than bytes have, the highest bit first, in bytes of their own; rows begin with a whole byte. */
const unpackBits = (
  packed: Uint8Array,
  { bits, bytesPerSample }: BlockLayout,
  rows: number,
  rowSamples: number,
): Uint8Array<ArrayBuffer> => {
  const out = bytesPerSample === 1 ? new Uint8Array(rows * rowSamples) : new Uint16Array(rows * rowSamples);
  const rowBytes = Math.ceil((rowSamples * bits) / 8);
  const most = (1 << bits) - 1;
  for (let row = 0, to = 0; row < rows; row++) {
    let [at, held, value] = [row * rowBytes, 0, 0];
    for (let column = 0; column < rowSamples; column++) {
      while (held < bits) {
        value = ((value << 8) | packed[at++]) & 0xffffff;
        held += 8;
      }
      held -= bits;
      out[to++] = (value >>> held) & most;
    }
  }
  return new Uint8Array(out.buffer);
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
  const { compression, predictor, bytesPerSample, bits, samples, width, height, littleEndian } = layout;
  const rowSamples = width * samples;
  const rowBytes = Math.ceil((rowSamples * bits) / 8);
  return async (bytes, rows) => {
    if (compression === 34887) {
      const { decodeLerc } = await import('./lerc.js');
      const { type, aroundLerc: around } = layout;
      const values = await decodeLerc(bytes, { type, width, height, samples, around });
      if (values.length < rows * rowBytes)
        throw new Error(`holds ${values.length} bytes instead of ${rows * rowBytes} when decompressed`);
      const plain = aligned(values);
      // libtiff swaps before it compresses
      if (!littleEndian) swapBytes(plain, bytesPerSample);
      return plain;
    }
    const plain = aligned(await decompress(compression, bytes, height * rowBytes));
    const wanted = rows * rowBytes;
    if (plain.length < wanted)
      throw new Error(`holds ${plain.length} bytes instead of ${wanted} when decompressed`);
    if (bits !== 8 * bytesPerSample) {
      if (predictor !== 1) throw new Error(`predictor ${predictor} on ${bits} bits is not known`);
      return unpackBits(plain, layout, rows, rowSamples);
    }
    // the floating-point predictor defines its own byte order
    if (!littleEndian && predictor !== 3) swapBytes(plain, bytesPerSample);
    undoPredictor(plain, { predictor, rows, rowSamples, samples, bytesPerSample });
    return plain;
  };
};
