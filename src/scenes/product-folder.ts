import { readdir } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import { Fault } from '../fault.js';
import { exists } from '../files.js';
import { namesBand } from './band-names.js';
import { metadataName, type ProductMetadata, readProductMetadata } from './product-metadata.js';

/** Files of a product folder that matter: a file for each band, its classification, its metadata. */
export interface ProductFolder {
  files: string[];
  scl: string | null;
  metadata: ProductMetadata | null;
}

const isImage = (name: string): boolean => ['.tif', '.tiff', '.jp2'].includes(extname(name).toLowerCase());

/** The finest of several files of one band: SAFE folders hold B02 at 10, 20 and 60 m. */
const finest = (files: readonly string[]): string[] => {
  for (const resolution of ['10m', '20m', '60m']) {
    const some = files.filter((file) => basename(file).split(/[_.]/).includes(resolution));
    if (some.length > 0) return some;
  }
  return [...files];
};

/**
 * Finds the files of a SAFE-like folder by band name, anywhere below it.
 * @throws Fault that names every band without a file or with several
 */
export const openProductFolder = async (folder: string, bands: readonly string[]): Promise<ProductFolder> => {
  const names = (await readdir(folder, { recursive: true })).sort();
  const metadataFile = names.find((name) => basename(name) === metadataName);
  const metadata = metadataFile ? await readProductMetadata(join(folder, metadataFile)) : null;
  const images = names.filter((name) => isImage(name) && !basename(name).startsWith('.'));
  const faults: string[] = [];
  const files = bands.flatMap((band) => {
    const found = finest(images.filter((name) => namesBand(basename(name, extname(name)), band)));
    if (found.length === 1) return [join(folder, found[0])];
    faults.push(
      found.length === 0
        ? `band ${band}: no file in ${folder}; its name must hold the band, such as B02 for blue`
        : `band ${band}: ${found.join(', ')} in ${folder}; give the files one by one`,
    );
    return [];
  });
  if (faults.length > 0) throw new Fault(faults);
  const scl = finest(images.filter((name) => namesBand(basename(name, extname(name)), 'SCL')));
  return { files, scl: scl.length === 1 ? join(folder, scl[0]) : null, metadata };
};

/** The metadata of the product that `file` is an image of: beside it or above it, and listing it; else null. */
export const metadataOfImage = async (file: string): Promise<ProductMetadata | null> => {
  if (/^https?:/i.test(file)) return null;
  let folder = dirname(file);
  // SAFE: product/GRANULE/granule/IMG_DATA/R10m/file
  for (let level = 0; level < 5; level++) {
    const path = join(folder, metadataName);
    if (await exists(path)) {
      const metadata = await readProductMetadata(path);
      const stem = basename(file, extname(file));
      return metadata.images.some((image) => basename(image) === stem) ? metadata : null;
    }
    if (dirname(folder) === folder) break;
    folder = dirname(folder);
  }
  return null;
};
