import { inflateSync } from 'node:zlib';
import Lerc from 'lerc';
import { type Pixels, type PixelType, pixelArrays } from './raster.js';

/** What a strip or tile holds by the TIFF around it. */
export interface LercBlock {
  type: PixelType;
  width: number;
  /** Rows of the block; the last strip may have fewer. */
  height: number;
  /** Interleaved bands. */
  samples: number;
  /** Of the tag LercParameters: 0 none, 1 DEFLATE, 2 ZSTD around the LERC. */
  around: number;
}

const unwrapped = async (bytes: Uint8Array, around: number, limit: number): Promise<Uint8Array> => {
  if (around === 0) return bytes;
  if (around === 1) return inflateSync(bytes, { maxOutputLength: limit });
  if (around !== 2) throw new Error(`LERC inside compression ${around} is not known`);
  const { ZSTDDecoder } = await import('zstddec');
  const zstd = new ZSTDDecoder();
  await zstd.init();
  return zstd.decode(bytes, limit);
};

/** Size and samples of a pixel as the header of a Lerc2 blob states them; null where it is none. */
const headerOf = (blob: ArrayBuffer): { width: number; height: number; samples: number } | null => {
  if (blob.byteLength < 30 || Buffer.from(blob, 0, 6).toString('latin1') !== 'Lerc2 ') return null;
  const view = new DataView(blob);
  const version = view.getInt32(6, true);
  // a checksum came with version 3, several samples of a pixel with 4
  const at = version >= 3 ? 14 : 10;
  return {
    height: view.getInt32(at, true),
    width: view.getInt32(at + 4, true),
    samples: version >= 4 ? view.getInt32(at + 8, true) : 1,
  };
};

/**
 * Decodes a block of LERC. Samples that its own mask leaves out are NaN in floats, as libtiff writes NaN.
 * @returns native byte order
 * @throws Error where the block is of another size or type than the TIFF says, or masks integers
 */
export const decodeLerc = async (bytes: Uint8Array, block: LercBlock): Promise<Uint8Array> => {
  const { type, width, height, samples, around } = block;
  const Type = pixelArrays[type];
  const limit = 2 * width * height * samples * Type.BYTES_PER_ELEMENT + 65536;
  // a copy of its own: a Buffer's slice would be a view of more
  const blob = new Uint8Array(await unwrapped(bytes, around, limit)).buffer;
  const header = headerOf(blob);
  // before memory is taken for it
  if (header?.width !== width || header.height < 1 || header.height > height || header.samples !== samples)
    throw new Error(
      header
        ? `LERC of ${header.width} × ${header.height} pixels, ${header.samples} samples each`
        : 'no LERC',
    );
  const { pixels, mask } = Lerc.decode(blob, { returnPixelInterleavedDims: true });
  const values: Pixels = Type.from(pixels[0]);
  const isFloat = /^float/.test(type);
  if (mask)
    for (let i = 0; i < mask.length; i++) {
      if (mask[i] !== 0) continue;
      if (!isFloat) throw new Error('LERC with masked integers is not read');
      values.fill(Number.NaN, i * samples, (i + 1) * samples);
    }
  return new Uint8Array(values.buffer);
};
