import type { GeoTIFF, GeoTIFFImage } from 'geotiff';
import { Fault, reason } from '../fault.js';
import type { ByteSource } from './byte-source.js';
import { gdalNumber } from './gdal-metadata.js';
import { type PixelType, pixelArrays } from './raster.js';
import { damaged, rasterFault } from './raster-fault.js';

const formats = ['', 'uint', 'int', 'float'];

/** NewSubfileType's bit of a transparency mask (TIFF 6.0). */
const maskBit = 4;
/** The mask stands right behind its image, before or after the overviews. */
const mostImages = 64;

/** The transparency mask of an image, of its size; null where the file has none. */
const maskImageOf = async (tiff: GeoTIFF, image: GeoTIFFImage): Promise<GeoTIFFImage | null> => {
  for (let index = 1; index < mostImages; index++) {
    // the end of the list, or damage where nothing needed lies
    const other = await tiff.getImage(index).catch((error: unknown) => {
      if (error instanceof Fault) throw error;
      return null;
    });
    if (other === null) return null;
    const kind = Number(other.fileDirectory.getValue('NewSubfileType') ?? 0);
    if (
      (kind & maskBit) !== 0 &&
      other.getWidth() === image.getWidth() &&
      other.getHeight() === image.getHeight()
    )
      return other;
  }
  return null;
};

/** Colours of the bands by the photometric and extra samples tags, as GDAL names them. */
export const photometricColours = (image: GeoTIFFImage, bands: number): string[] => {
  const photometric = Number(image.fileDirectory.getValue('PhotometricInterpretation') ?? 1);
  const extra = Array.from(
    (image.fileDirectory.getValue('ExtraSamples') as ArrayLike<number> | undefined) ?? [],
  );
  const main =
    photometric === 2 && bands >= 3
      ? ['red', 'green', 'blue']
      : photometric === 3
        ? ['palette']
        : photometric <= 1
          ? ['gray']
          : [];
  return Array.from({ length: bands }, (_, band) => {
    const kind = extra[band - (bands - extra.length)];
    return kind === 1 || kind === 2 ? 'alpha' : (main[band] ?? 'undefined');
  });
};

/** The first image of a TIFF, with every field of its directory loaded, and the image that is its mask. */
export const firstImage = async (
  source: ByteSource,
): Promise<{ image: GeoTIFFImage; maskImage: GeoTIFFImage | null }> => {
  const { path } = source;
  const head = await source.read(0, 4);
  if (head.length === 0) throw damaged(path, 'the file is empty');
  const magic = Buffer.from(head).toString('latin1');
  if (!['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(magic))
    throw rasterFault(path, 'not a TIFF or JPEG 2000', 'give a GeoTIFF');
  const slice = async (offset: number, length: number): Promise<ArrayBuffer> =>
    new Uint8Array(await source.read(offset, length)).buffer;
  // here, as most processes find the pixels decoded in the cache
  const { GeoTIFF } = await import('geotiff');
  try {
    const tiff = await GeoTIFF.fromSource({
      fetch: (slices) => Promise.all(slices.map(({ offset, length }) => slice(offset, length))),
      fetchSlice: async ({ offset, length }) => ({ offset, length, data: await slice(offset, length) }),
      fileSize: source.size,
      close: async () => {},
    });
    // geotiff reads arrays that it defers as little-endian whatever the file says
    tiff.parser.eager = true;
    const image = await tiff.getImage();
    return { image, maskImage: await maskImageOf(tiff, image) };
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw damaged(path, `cut short or damaged: its directory cannot be read (${reason(error)})`);
  }
};

/**
 * The sample type of all bands, and the bits that each takes in the file: fewer than the type's in a mask, and in files of
 * 9 to 15 bits. Images of fewer bits hold classes, no reflectance.
 */
export const sampleTypeOf = (
  path: string,
  image: GeoTIFFImage,
  bands: number,
  fewestBits = 9,
): { type: PixelType; bits: number } => {
  const depths = Array.from(image.fileDirectory.getValue('BitsPerSample') ?? [1]);
  const kinds = Array.from(image.fileDirectory.getValue('SampleFormat') ?? []);
  const names = Array.from({ length: bands }, (_, band) => {
    const depth = depths[Math.min(band, depths.length - 1)];
    return `${formats[kinds[band] ?? kinds[0] ?? 1] || 'unknown'}${depth}`;
  });
  if (new Set(names).size > 1)
    throw rasterFault(path, `bands of different types: ${names.join(', ')}`, 'write them as one');
  const [name] = names;
  if (name in pixelArrays) return { type: name as PixelType, bits: depths[0] };
  const packed = /^uint(\d+)$/.exec(name);
  const bits = Number(packed?.[1]);
  if (bits >= fewestBits && bits < 16) return { type: bits <= 8 ? 'uint8' : 'uint16', bits };
  throw rasterFault(
    path,
    `samples of type ${name}`,
    `write it as one of ${Object.keys(pixelArrays).join(', ')}`,
  );
};

/** GDAL's metadata tag of an image; '' where there is none. */
export const metadataText = async (image: GeoTIFFImage): Promise<string> =>
  image.fileDirectory.hasTag('GDAL_METADATA')
    ? String(await image.fileDirectory.loadValue('GDAL_METADATA')).replace(/\0.*$/s, '')
    : '';

/** GDAL's nodata tag; null where it is absent. */
export const nodataOf = (image: GeoTIFFImage): number | null =>
  gdalNumber(String(image.fileDirectory.getValue('GDAL_NODATA') ?? ''));
