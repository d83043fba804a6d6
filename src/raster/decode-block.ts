import { promisify } from 'node:util';
import { inflate } from 'node:zlib';
import { BaseDecoder, getDecoder } from 'geotiff';
import { ZSTDDecoder } from 'zstddec';
import { decompressLzw } from './lzw.js';

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

const inflated = promisify<Uint8Array, { maxOutputLength: number }, Buffer>(inflate);

const exact = (bytes: Uint8Array): ArrayBuffer =>
  bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;

const swapBytes = (bytes: Uint8Array, size: number): void => {
  if (size === 2) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength & ~1).swap16();
  else if (size === 4) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength & ~3).swap32();
  else if (size === 8) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength & ~7).swap64();
};

/** Decompresses a block into at most `limit` bytes, so that a damaged one cannot ask for more. */
const decompress = async (compression: number, bytes: Uint8Array, limit: number): Promise<ArrayBuffer> => {
  if (compression === 1) return exact(bytes);
  if (compression === 5) return exact(decompressLzw(bytes, limit));
  if (compression === 8 || compression === 32946)
    return exact(await inflated(bytes, { maxOutputLength: limit }));
  if (compression === 50000) {
    const zstd = new ZSTDDecoder();
    await zstd.init();
    return exact(zstd.decode(bytes, limit));
  }
  const decoder = await getDecoder(compression, {
    tileWidth: limit,
    tileHeight: 1,
    predictor: 1,
    bitsPerSample: 8,
    planarConfiguration: 1,
  });
  return (await decoder.decode(exact(bytes))) as ArrayBuffer;
};

/**
 * Decodes the strips or tiles of a file to native byte order. Predictors are geotiff's; bytes are swapped *before*
 * them, which geotiff leaves out. DEFLATE is zlib's, off the main thread.
 */
export const blockDecoder = (
  layout: BlockLayout,
): ((bytes: Uint8Array, rows: number) => Promise<ArrayBuffer>) => {
  const { compression, predictor, bytesPerSample, samples, width, height, littleEndian } = layout;
  const rowBytes = width * samples * bytesPerSample;
  class NativeOrder extends BaseDecoder {
    override async decodeBlock(block: ArrayBuffer): Promise<ArrayBuffer> {
      const plain = await decompress(compression, new Uint8Array(block), height * rowBytes);
      const wanted = this.parameters.tileHeight * rowBytes;
      if (plain.byteLength < wanted)
        throw new Error(`holds ${plain.byteLength} bytes instead of ${wanted} when decompressed`);
      // the floating-point predictor defines its own byte order
      if (!littleEndian && predictor !== 3) swapBytes(new Uint8Array(plain), bytesPerSample);
      return plain;
    }
  }
  return async (bytes, rows) =>
    (await new NativeOrder({
      tileWidth: width,
      tileHeight: rows,
      predictor,
      bitsPerSample: new Array<number>(samples).fill(8 * bytesPerSample),
      planarConfiguration: 1,
    }).decode(exact(bytes))) as ArrayBuffer;
};
