import type { GeoTIFF, GeoTIFFImage } from 'geotiff';
import { Fault, reason } from '../fault.js';
import type { ByteSource } from './byte-source.js';
import { type PixelType, pixelArrays } from './raster.js';
import { damaged, rasterFault } from './raster-fault.js';

const formats = ['', 'uint', 'int', 'float'];

/** NewSubfileType's bit of a transparency mask (TIFF 6.0). */
const maskBit = 4;
/** The mask stands right behind its image, before or after the overviews. */
const mostImages = 64;

const hasMaskImage = async (tiff: GeoTIFF, image: GeoTIFFImage): Promise<boolean> => {
  for (let index = 1; index < mostImages; index++) {
    // the end of the list, or damage where nothing needed lies
    const other = await tiff.getImage(index).catch((error: unknown) => {
      if (error instanceof Fault) throw error;
      return null;
    });
    if (other === null) return false;
    const kind = Number(other.fileDirectory.getValue('NewSubfileType') ?? 0);
    if ((kind & maskBit) !== 0 && other.getWidth() === image.getWidth()) return true;
  }
  return false;
};

/** Whether one of the bands is alpha (ExtraSamples 1 or 2). */
export const hasAlpha = (image: GeoTIFFImage): boolean =>
  Array.from((image.fileDirectory.getValue('ExtraSamples') as ArrayLike<number> | undefined) ?? []).some(
    (kind) => kind === 1 || kind === 2,
  );

/** The first image of a TIFF, with every field of its directory loaded, and whether another one is its mask. */
export const firstImage = async (
  source: ByteSource,
): Promise<{ image: GeoTIFFImage; hasMaskImage: boolean }> => {
  const { path } = source;
  const head = await source.read(0, 4);
  if (head.length === 0) throw damaged(path, 'the file is empty');
  const magic = Buffer.from(head).toString('latin1');
  if (!['II*\0', 'MM\0*', 'II+\0', 'MM\0+'].includes(magic))
    throw rasterFault(path, 'not a TIFF', 'give a GeoTIFF');
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
    return { image, hasMaskImage: await hasMaskImage(tiff, image) };
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw damaged(path, `cut short or damaged: its directory cannot be read (${reason(error)})`);
  }
};

/** The one sample type of all bands. */
export const typeOf = (path: string, image: GeoTIFFImage, bands: number): PixelType => {
  const bits = Array.from(image.fileDirectory.getValue('BitsPerSample') ?? [1]);
  const kinds = Array.from(image.fileDirectory.getValue('SampleFormat') ?? []);
  const names = Array.from({ length: bands }, (_, band) => {
    const depth = bits[Math.min(band, bits.length - 1)];
    return `${formats[kinds[band] ?? kinds[0] ?? 1] || 'unknown'}${depth}`;
  });
  if (new Set(names).size > 1)
    throw rasterFault(path, `bands of different types: ${names.join(', ')}`, 'write them as one');
  if (!(names[0] in pixelArrays))
    throw rasterFault(
      path,
      `samples of type ${names[0]}`,
      `write it as one of ${Object.keys(pixelArrays).join(', ')}`,
    );
  return names[0] as PixelType;
};

/** GDAL's band descriptions, scales and offsets. */
export const metadataOf = async (image: GeoTIFFImage, bands: number) => {
  const items = await Promise.all(
    Array.from({ length: bands }, (_, band) => image.getGDALMetadata(band).catch(() => null)),
  );
  const text = (band: number, name: string): string => {
    const found = Object.entries(items[band] ?? {}).find(([key]) => key.toUpperCase() === name);
    return found ? String(found[1]) : '';
  };
  const number = (name: string, otherwise: number) => (_: unknown, band: number) => {
    const written = text(band, name).trim();
    return written === '' || !Number.isFinite(Number(written)) ? otherwise : Number(written);
  };
  return {
    bandNames: items.map((_, band) => text(band, 'DESCRIPTION')),
    scale: items.map(number('SCALE', 1)),
    offset: items.map(number('OFFSET', 0)),
  };
};

/** GDAL's nodata tag; null where it is absent or no number. */
export const nodataOf = (image: GeoTIFFImage): number | null => {
  const text = String(image.fileDirectory.getValue('GDAL_NODATA') ?? '')
    .replace(/\0.*$/s, '')
    .trim();
  if (text === '') return null;
  const value = Number(text);
  return Number.isNaN(value) && !/^[-+]?nan$/i.test(text) ? null : value;
};
