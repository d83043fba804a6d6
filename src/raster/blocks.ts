import type { GeoTIFFImage } from 'geotiff';
import { reason } from '../fault.js';
import type { ByteSource } from './byte-source.js';
import { blockDecoder, compressionNames, compressions } from './decode-block.js';
import { type Pixels, type PixelType, pixelArrays } from './raster.js';
import { damaged, rasterFault } from './raster-fault.js';

/** A decoded strip or tile. */
export interface DecodedBlock {
  /** The samples of a pixel lie together. */
  pixels: Pixels;
  /** They are still differences to the pixel on the left: only of four interleaved bands of 16 bits, for `splitFour`. */
  differences: boolean;
}

/** The strips or tiles of an image. */
export interface Blocks {
  width: number;
  height: number;
  across: number;
  down: number;
  /** Bands that lie interleaved in one block: all, or 1 where each band has its own blocks. */
  samples: number;
  compression: string;
  /** Rows of the blocks of block row `row`: the last strip may be shorter, tiles are not. */
  rows(row: number): number;
  /** Decodes a block; `band` counts from 0 and matters only where bands lie apart. */
  read(column: number, row: number, band: number): Promise<DecodedBlock>;
}

/**
 * Finds the blocks of an image and checks that the file holds every one of them, as far as its size is known.
 * `bits` are those of a sample in the file, at most those of `type`; `empty` fills blocks that a sparse file leaves out.
 */
export const blocksOf = async (
  source: ByteSource,
  image: GeoTIFFImage,
  { type, bits }: { type: PixelType; bits: number },
  empty: number,
): Promise<Blocks> => {
  const { path } = source;
  const directory = image.fileDirectory;
  const bands = image.getSamplesPerPixel();
  const [width, height] = [image.getTileWidth(), image.getTileHeight()];
  const compression = directory.getValue('Compression') ?? 1;
  if (!(compression in compressions))
    throw rasterFault(
      path,
      `compression ${compression}${compression in compressionNames ? ` (${compressionNames[compression]})` : ''}`,
      'write it with DEFLATE, LZW, ZSTD or none: gdal_translate -co COMPRESS=DEFLATE',
    );
  if (bits % 8 !== 0 && (await directory.loadValue('FillOrder')) === 2)
    throw rasterFault(path, `${bits} bits a sample, the lowest first`, 'write it with gdal_translate');
  // samples are swapped before they are compressed, and then pass for NaN, which LERC leaves out
  if (compression === 34887 && !image.littleEndian && /^float/.test(type))
    throw rasterFault(path, 'LERC of floats in big-endian order', 'write it with gdal_translate');
  // the decoder knows no 32-bit offsets of unsigned numbers, which large values come with
  if (compression === 34887 && type === 'uint32')
    throw rasterFault(path, 'LERC of uint32', 'write it with gdal_translate -co COMPRESS=DEFLATE');
  const interleaved = image.planarConfiguration === 1;
  const samples = interleaved ? bands : 1;
  const PixelArray = pixelArrays[type];
  const predictor = Number((await directory.loadValue('Predictor')) ?? 1);
  // LERC knows no predictor
  const differences =
    predictor === 2 && samples === 4 && bits === 16 && /int16/.test(type) && compression !== 34887;
  const decode = blockDecoder({
    compression,
    predictor: differences ? 1 : predictor,
    bytesPerSample: PixelArray.BYTES_PER_ELEMENT,
    bits,
    samples,
    width,
    // the height of a strip may be given as more than the image has
    height,
    littleEndian: image.littleEndian,
    type,
    aroundLerc: Number(
      ((await directory.loadValue('LercParameters')) as ArrayLike<number> | undefined)?.[1] ?? 0,
    ),
  });
  const [kind, offsetTag, countTag] = image.isTiled
    ? (['tile', 'TileOffsets', 'TileByteCounts'] as const)
    : (['strip', 'StripOffsets', 'StripByteCounts'] as const);
  const offsets = (await directory.loadValue(offsetTag)) as ArrayLike<number> | undefined;
  const counts = (await directory.loadValue(countTag)) as ArrayLike<number> | undefined;
  const across = Math.ceil(image.getWidth() / width);
  const down = Math.ceil(image.getHeight() / height);
  const total = across * down * (interleaved ? 1 : bands);
  const known = Math.min(offsets?.length ?? 0, counts?.length ?? (compression === 1 ? total : 0));
  if (!offsets || known < total) throw damaged(path, `damaged: ${known} ${kind}s where ${total} are needed`);

  const rows = (row: number): number =>
    image.isTiled ? height : Math.min(height, image.getHeight() - row * height);
  const samplesOf = (row: number): number => rows(row) * width * samples;
  // each row of a block begins with a byte of its own
  const plainBytes = (row: number): number => rows(row) * Math.ceil((width * samples * bits) / 8);
  const bytesOf = (index: number, row: number): number => (counts ? Number(counts[index]) : plainBytes(row));
  const short = (index: number, what: string): Error =>
    damaged(path, `cut short: ${kind} ${index + 1} of ${total} ${what}`);
  const { most } = compressions[compression];
  for (let index = 0; index < total; index++) {
    const row = Math.floor(index / across) % down;
    const length = bytesOf(index, row);
    const end = Number(offsets[index]) + length;
    // a field of another type holds letters, fractions or negative numbers
    if (!Number.isSafeInteger(end) || length < 0 || end < length || !Number.isInteger(length))
      throw damaged(path, `damaged: the place of ${kind} ${index + 1} of ${total} is no number of bytes`);
    if (source.size !== null && end > source.size)
      throw short(index, `ends at byte ${end} of ${source.size}`);
    if (length > 0 && plainBytes(row) > length * most)
      throw damaged(
        path,
        `damaged: ${kind} ${index + 1} of ${total} has ${length} bytes for ${samplesOf(row)} samples`,
      );
  }

  return {
    width,
    height,
    across,
    down,
    samples,
    compression: compressions[compression].name,
    rows,
    read: async (column, row, band) => {
      const index = (interleaved ? 0 : band * across * down) + row * across + column;
      const length = bytesOf(index, row);
      if (length === 0) return { pixels: new PixelArray(samplesOf(row)).fill(empty), differences: false };
      const bytes = await source.read(Number(offsets[index]), length);
      if (bytes.length < length) throw short(index, `has ${bytes.length} of ${length} bytes`);
      try {
        const plain = await decode(bytes, rows(row));
        return { pixels: new PixelArray(plain.buffer, plain.byteOffset, samplesOf(row)), differences };
      } catch (error) {
        throw damaged(path, `damaged: ${kind} ${index + 1} of ${total} (${reason(error)})`);
      }
    },
  };
};
