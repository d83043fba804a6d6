import { type FileHandle, open, rm } from 'node:fs/promises';

/** Bytes put aside on disk in the order they will have in the file. */
export interface Spill {
  size: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Copies everything to `to`, beginning at byte `at`. */
  copyTo(to: FileHandle, at: number): Promise<void>;
  close(): Promise<void>;
}

const piece = 8 << 20;

/** Writes all of `bytes` at byte `at`. */
export const writeAll = async (file: FileHandle, bytes: Uint8Array, at: number): Promise<void> => {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
};

/**
 * A spill file named `path`. Where the system allows it, its name is removed at once: the space is then freed
 * however the process ends. Elsewhere `close` removes it.
 */
export const openSpill = async (path: string): Promise<Spill> => {
  const file = await open(path, 'wx+', 0o600);
  const isNamed =
    process.platform === 'win32' ||
    (await rm(path, { force: true }).then(
      () => false,
      () => true,
    ));
  const spill: Spill = {
    size: 0,
    append: async (bytes) => {
      await writeAll(file, bytes, spill.size);
      spill.size += bytes.length;
    },
    copyTo: async (to, at) => {
      const buffer = new Uint8Array(Math.min(piece, spill.size));
      for (let from = 0; from < spill.size; ) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(piece, spill.size - from), from);
        if (bytesRead === 0) throw new Error(`spill file: ends at byte ${from} of ${spill.size}`);
        await writeAll(to, buffer.subarray(0, bytesRead), at + from);
        from += bytesRead;
      }
    },
    close: async () => {
      await file.close();
      if (isNamed) await rm(path, { force: true });
    },
  };
  return spill;
};
