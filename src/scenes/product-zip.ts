import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import yauzl, { type Entry, type ZipFile } from 'yauzl';
import { Fault, reason } from '../fault.js';
import { makeFolder, removeAtExit } from '../files.js';
import { writeFault } from '../raster/write-cog.js';
import { productFiles } from './product-folder.js';

/** A zipped product, its needed files unpacked. */
export interface UnpackedProduct {
  folder: string;
  remove(): Promise<void>;
}

const openZip = promisify<string, { lazyEntries: true; autoClose: false }, ZipFile>(yauzl.open);

const entriesOf = (zip: ZipFile): Promise<Entry[]> =>
  new Promise((done, failed) => {
    const entries: Entry[] = [];
    zip.on('entry', (entry: Entry) => {
      entries.push(entry);
      zip.readEntry();
    });
    zip.on('end', () => done(entries));
    zip.on('error', failed);
    zip.readEntry();
  });

/**
 * Unpacks the bands, the scene classification and the metadata of a zipped product beside `out`, in a folder of their own: a
 * band of a zip can be read from its beginning only.
 *
 * @throws Fault where it is no zip, damaged, or lacks bands; a full disk
 */
export const unpackProduct = async (
  path: string,
  bands: readonly string[],
  out: string,
): Promise<UnpackedProduct> => {
  const zip = await openZip(path, { lazyEntries: true, autoClose: false }).catch(
    (error: NodeJS.ErrnoException) => {
      throw new Fault(
        `product: ${path}; ${error.code === 'ENOENT' ? 'no such file, check the path' : `not a whole zip archive (${reason(error)}), fetch it again`}`,
      );
    },
  );
  let folder: string | null = null;
  let keep = (): void => {};
  const remove = async (): Promise<void> => {
    if (folder) await rm(folder, { recursive: true, force: true });
    keep();
  };
  try {
    const entries = await entriesOf(zip).catch((error: unknown) => {
      throw new Fault(`product: ${path}; damaged (${reason(error)}), fetch it again`);
    });
    const { files, scl, metadata } = productFiles(
      path,
      entries.map(({ fileName }) => fileName),
      bands,
    );
    const wanted = new Set([...files, ...[scl, metadata].filter((name) => name !== null)]);
    await makeFolder(dirname(resolve(out)));
    folder = await mkdtemp(join(dirname(resolve(out)), `.${basename(out)}.unpacked-`));
    keep = removeAtExit(folder);
    const open = promisify(zip.openReadStream.bind(zip)) as (entry: Entry) => Promise<NodeJS.ReadableStream>;
    for (const entry of entries.filter(({ fileName }) => wanted.has(fileName))) {
      const to = join(folder, entry.fileName);
      await makeFolder(dirname(to));
      const stream = await open(entry);
      try {
        await pipeline(stream, createWriteStream(to));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).syscall) throw error;
        throw new Fault(
          `product: ${path}; ${entry.fileName} in it is damaged (${reason(error)}), fetch it again`,
        );
      }
    }
    return { folder, remove };
  } catch (error) {
    await remove();
    throw writeFault(out, error);
  } finally {
    zip.close();
  }
};
