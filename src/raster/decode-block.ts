import { promisify } from 'node:util';
import { inflate, type ZlibOptions } from 'node:zlib';
import { BaseDecoder, getDecoder } from 'geotiff';

/** TIFF compressions that are read, by their codes. */
export const compressions: Readonly<Record<number, string>> = {
  1: 'none',
  5: 'LZW',
  8: 'DEFLATE',
  32773: 'PackBits',
  32946: 'DEFLATE',
  50000: 'ZSTD',
};

export interface BlockLayout {
  compression: number;
  /** 1 none, 2 horizontal, 3 floating point. */
  predictor: number;
  bytesPerSample: number;
  /** Samples that lie interleaved in a block: all bands, or 1 where bands are apart. */
  samples: number;
  width: number;
  littleEndian: boolean;
}

const inflated = promisify<Uint8Array, ZlibOptions, Buffer>(inflate);

const exact = (bytes: Uint8Array): ArrayBuffer =>
  bytes.byteLength === bytes.buffer.byteLength
    ? (bytes.buffer as ArrayBuffer)
    : (bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer);

const swapBytes = (bytes: Uint8Array, size: number): void => {
  if (size === 2) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength & ~1).swap16();
  else if (size === 4) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength & ~3).swap32();
  else if (size === 8) Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength & ~7).swap64();
};

/**
 * Decodes the strips or tiles of a file to native byte order. Decompression and predictors are geotiff's, but DEFLATE
 * is zlib's own, off the main thread, and bytes are swapped *before* the predictor, which geotiff leaves out.
 */
export const blockDecoder = (
  layout: BlockLayout,
): ((bytes: Uint8Array, rows: number) => Promise<ArrayBuffer>) => {
  const { compression, predictor, bytesPerSample, samples, width, littleEndian } = layout;
  const decompress = async (bytes: Uint8Array, wanted: number): Promise<ArrayBuffer> => {
    if (compression === 1) return exact(bytes);
    if (compression === 8 || compression === 32946) {
      // in one piece (zlib's default of 16 kB costs a trip to the main thread for each), one byte more than needed,
      // so that zlib sees the end; the block begins its buffer and is not copied out of it
      const chunkSize = Math.max(64, wanted + 1);
      const out = await inflated(bytes, { chunkSize });
      const whole = out.byteLength >= wanted && out.byteOffset === 0 && out.buffer.byteLength === chunkSize;
      return whole ? (out.buffer as ArrayBuffer) : exact(out);
    }
    const decoder = await getDecoder(compression, {
      tileWidth: width,
      tileHeight: 0,
      predictor: 1,
      bitsPerSample: 8 * bytesPerSample,
      planarConfiguration: 1,
    });
    return (await decoder.decode(exact(bytes))) as ArrayBuffer;
  };
  class NativeOrder extends BaseDecoder {
    override async decodeBlock(block: ArrayBuffer): Promise<ArrayBuffer> {
      const wanted = this.parameters.tileHeight * width * samples * bytesPerSample;
      const plain = await decompress(new Uint8Array(block), wanted);
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
