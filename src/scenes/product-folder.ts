import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join, sep } from 'node:path';
import { Fault } from '../fault.js';
import { exists } from '../files.js';
import { bandsNamed, sentinelName } from '../raster/band-names.js';
import { addressOf } from '../raster/byte-source.js';
import { metadataName, type ProductMetadata, readProductMetadata } from './product-metadata.js';

/** Files of a product folder that matter: a file for each band, its classification, its metadata. */
export interface ProductFolder {
  files: string[];
  scl: string | null;
  metadata: ProductMetadata | null;
}

const topOfAtmosphere = /^(?:MTD_MSIL1C\.xml|S2._OPER_MTD_SAFL1C.*\.xml)$/i;

const levelFault = (path: string): Fault =>
  new Fault(
    `product: ${path}; Level-1C is top-of-atmosphere reflectance, surface reflectance (Level-2A) is needed: fetch the MSIL2A product or run Sen2Cor`,
  );

const isImage = (name: string): boolean => ['.tif', '.tiff', '.jp2'].includes(extname(name).toLowerCase());

/** Quality masks, previews and auxiliary images of a product name bands too and are none. */
const isBand = (path: string): boolean =>
  isImage(path) &&
  !basename(path).startsWith('.') &&
  !/^(?:MSK|QI|PVI|T\w+_PVI)_|_PVI\b|preview|thumbnail/i.test(basename(path)) &&
  !path.split(sep).some((part) => /^(?:QI_DATA|AUX_DATA|HTML|rep_info|qi)$/i.test(part));

/** The finest of several files of one band: SAFE folders hold B02 at 10, 20 and 60 m. */
const finest = (files: readonly string[]): string[] => {
  for (const resolution of ['10m', '20m', '60m']) {
    const some = files.filter(
      (file) =>
        basename(file).split(/[_.]/).includes(resolution) ||
        dirname(file).split(sep).includes(`R${resolution}`),
    );
    if (some.length > 0) return some;
  }
  return [...files];
};

const stemOf = (path: string): string => basename(path, extname(path));

/**
 * Which of `names`, the files of a product, are its bands, its scene classification and its metadata.
 * @param place the folder or archive, for messages
 * @throws Fault for a Level-1C product, and naming every band without a file or with several
 */
export const productFiles = (
  place: string,
  names: readonly string[],
  bands: readonly string[],
): { files: string[]; scl: string | null; metadata: string | null } => {
  const metadata = names.find((name) => basename(name) === metadataName) ?? null;
  const lower = names.find((name) => topOfAtmosphere.test(basename(name)));
  if (!metadata && (lower || /_MSIL1C_/i.test(basename(place))))
    throw levelFault(lower ? join(place, lower) : place);
  const images = names.filter(isBand);
  const named = bandsNamed(images.map(stemOf), [...bands, 'SCL'], metadata ? ['MSIL2A'] : [basename(place)]);
  const of = (band: string): string[] => finest(images.filter((_, index) => named[index] === band));
  const faults: string[] = [];
  const files = bands.flatMap((band) => {
    const found = of(band);
    if (found.length === 1) return [found[0]];
    const name = sentinelName(band);
    faults.push(
      found.length > 1
        ? `band ${band}: ${found.join(', ')} in ${place}; give the files one by one`
        : metadata
          ? `band ${band}: ${name} is missing in ${place}; the download is incomplete, fetch it again`
          : `band ${band}: no file in ${place}; its name must hold the band, such as ${name}`,
    );
    return [];
  });
  if (faults.length > 0) throw new Fault(faults);
  const scl = of('SCL');
  return { files, scl: scl.length === 1 ? scl[0] : null, metadata };
};

/**
 * Finds the files of a product folder by band name, anywhere below it: a SAFE folder, or any that has a file for each
 * band. Quality data are never bands.
 * @throws Fault for a Level-1C product, and naming every band without a file or with several
 */
export const openProductFolder = async (folder: string, bands: readonly string[]): Promise<ProductFolder> => {
  const names = (await readdir(folder, { recursive: true })).sort();
  const { files, scl, metadata } = productFiles(folder, names, bands);
  return {
    files: files.map((file) => join(folder, file)),
    scl: scl && join(folder, scl),
    metadata: metadata === null ? null : await readProductMetadata(join(folder, metadata)),
  };
};

/**
 * The metadata of the product that `file` is an image of: beside it or above it, and listing it; else null.
 * @throws Fault where the product is Level-1C
 */
export const metadataOfImage = async (file: string): Promise<ProductMetadata | null> => {
  if (addressOf(file) !== null) return null;
  const stem = stemOf(file);
  let folder = dirname(file);
  // SAFE: product/GRANULE/granule/IMG_DATA/R10m/file
  for (let level = 0; level < 5; level++) {
    const path = join(folder, metadataName);
    if (await exists(path)) {
      const metadata = await readProductMetadata(path);
      return metadata.images.some((image) => basename(image) === stem) ? metadata : null;
    }
    const lower = join(folder, 'MTD_MSIL1C.xml');
    if ((await exists(lower)) && /(?:^|_)B(?:0\d|8A|1[0-2])$/i.test(stem)) throw levelFault(lower);
    if (dirname(folder) === folder) break;
    folder = dirname(folder);
  }
  return null;
};
