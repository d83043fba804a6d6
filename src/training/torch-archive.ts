import { open } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { type Entry, openPromise } from 'yauzl';
import { Fault, reason } from '../fault.js';

/** A PyTorch checkpoint's archive: its pickle, and the storages that the pickle refers to. */
export interface TorchArchive {
  pickle: Uint8Array;
  /** Bytes of the archive file. */
  size: number;
  /** Bytes of storage `key`; undefined where there is none. */
  storageSize: (key: string) => number | undefined;
  /** The bytes of storage `key`, in a buffer of their own. */
  readStorage: (key: string) => Promise<ArrayBuffer>;
}

/** First byte of a pickle of protocol 2 and up: PyTorch's format before 1.6 begins so. */
const pickleStart = 0x80;

const wrong = (path: string, what: string): Fault =>
  new Fault(`weights: ${path}: ${what}; give a file that torch.save wrote whole`);

const sniff = async (path: string): Promise<number> => {
  const file = await open(path).catch((error: unknown) => {
    throw new Fault(`weights: ${path} cannot be read (${reason(error)}); give a safetensors or .pth file`);
  });
  try {
    const start = Buffer.alloc(4);
    const { bytesRead } = await file.read(start, 0, 4, 0);
    if (bytesRead > 0 && start[0] === pickleStart)
      throw new Fault(
        `weights: ${path} is in PyTorch's format from before 1.6; load it in Python and torch.save it again`,
      );
    if (bytesRead < 4 || start.readUInt32LE() !== 0x04034b50) throw wrong(path, 'it is no zip archive');
    return (await file.stat()).size;
  } finally {
    await file.close();
  }
};

/**
 * Opens the zip archive of `torch.save` (zip64 too; entries are stored, never compressed), runs `use` and closes it.
 * Sizes are checked against the file, checksums against the contents.
 */
export const withTorchArchive = async <T>(
  path: string,
  use: (archive: TorchArchive) => Promise<T>,
): Promise<T> => {
  const size = await sniff(path);
  try {
    const zip = await openPromise(path, { autoClose: false, lazyEntries: true });
    try {
      const entries = new Map<string, Entry>();
      for await (const entry of zip.eachEntry()) {
        if (entries.has(entry.fileName)) throw wrong(path, `it holds ${entry.fileName} twice`);
        if (!entry.canDecodeFileData() || entry.isEncrypted() || entry.isCompressed())
          throw wrong(path, `${entry.fileName} is compressed or encrypted`);
        if (entry.uncompressedSize !== entry.compressedSize || entry.uncompressedSize > size)
          throw wrong(path, `${entry.fileName} announces ${entry.uncompressedSize} bytes of ${size}`);
        entries.set(entry.fileName, entry);
      }
      const read = async (name: string): Promise<Buffer> => {
        const entry = entries.get(name);
        if (!entry) throw wrong(path, `it holds no ${name}`);
        const bytes = await buffer(await zip.openReadStreamPromise(entry));
        if (crc32(bytes) !== entry.crc32) throw wrong(path, `${name} is damaged (its checksum differs)`);
        return bytes;
      };
      const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
      if (pickles.length !== 1) throw wrong(path, 'it holds no data.pkl');
      const folder = pickles[0].slice(0, -'data.pkl'.length);
      if (entries.has(`${folder}byteorder`) && (await read(`${folder}byteorder`)).toString() !== 'little')
        throw wrong(path, 'its numbers are big-endian');
      return await use({
        pickle: await read(pickles[0]),
        size,
        storageSize: (key) => entries.get(`${folder}data/${key}`)?.uncompressedSize,
        readStorage: async (key) => {
          const bytes = await read(`${folder}data/${key}`);
          const copy = new ArrayBuffer(bytes.length);
          new Uint8Array(copy).set(bytes);
          return copy;
        },
      });
    } finally {
      zip.close();
    }
  } catch (error) {
    throw error instanceof Fault ? error : wrong(path, reason(error));
  }
};
