import { type FileHandle, open } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { type Entry, fromRandomAccessReaderPromise, RandomAccessReader } from 'yauzl';
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

/** A file of `size` bytes; a place beyond them, as a damaged archive names it, is an error and no exception. */
class BoundedFile extends RandomAccessReader {
  constructor(
    private readonly file: FileHandle,
    private readonly size: number,
  ) {
    super();
  }

  private async *pieces(start: number, end: number): AsyncGenerator<Buffer> {
    if (!(start >= 0 && start <= end && end <= this.size))
      throw new Error('it refers to what is beyond its end');
    for (let at = start; at < end; ) {
      const piece = Buffer.alloc(Math.min(2 ** 20, end - at));
      const { bytesRead } = await this.file.read(piece, 0, piece.length, at);
      if (bytesRead === 0) throw new Error('it became shorter while it was read');
      at += bytesRead;
      yield piece.subarray(0, bytesRead);
    }
  }

  override read(
    into: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null) => void,
  ): void {
    buffer(this.pieces(position, position + length)).then(
      (bytes) => {
        bytes.copy(into, offset);
        callback(null);
      },
      (error: Error) => callback(error),
    );
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.pieces(start, end));
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }
}

/** An entry of a zip archive's directory takes so many bytes at least. */
const entryBytes = 46;

/**
 * Opens the zip archive of `torch.save` (zip64 too; entries are stored, never compressed), runs `use` and closes it.
 * Sizes are checked against the file, checksums against the contents.
 */
export const withTorchArchive = async <T>(
  path: string,
  use: (archive: TorchArchive) => Promise<T>,
): Promise<T> => {
  const file = await open(path).catch((error: unknown) => {
    throw new Fault(`weights: ${path} cannot be read (${reason(error)}); give a safetensors or .pth file`);
  });
  try {
    const { size } = await file.stat();
    const start = Buffer.alloc(4);
    const { bytesRead } = await file.read(start, 0, 4, 0);
    if (bytesRead > 0 && start[0] === pickleStart)
      throw new Fault(
        `weights: ${path} is in PyTorch's format from before 1.6; load it in Python and torch.save it again`,
      );
    if (bytesRead < 4 || start.readUInt32LE() !== 0x04034b50) throw wrong(path, 'it is no zip archive');
    const source = new BoundedFile(file, size);
    const zip = await fromRandomAccessReaderPromise(source, size, { autoClose: false, lazyEntries: true });
    try {
      if (zip.entryCount * entryBytes > size) throw wrong(path, `it announces ${zip.entryCount} entries`);
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
  } finally {
    await file.close();
  }
};
