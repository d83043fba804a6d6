import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A name beside `path` that no reader takes for a finished file. */
export const temporaryName = (path: string): string =>
  join(dirname(path), `.${randomBytes(6).toString('hex')}.tmp`);

/** Is this the name of a file that was being written? */
export const isTemporary = (name: string): boolean => /^\.[0-9a-f]{12}\.tmp$/.test(name);

/**
 * Creates a folder and those above it. Node's own recursive form never returns where the file system lets nobody make
 * one (below /proc); this throws the system's error.
 */
export const makeFolder = async (path: string): Promise<void> => {
  const isFolder = (): Promise<boolean> =>
    stat(path).then(
      (status) => status.isDirectory(),
      () => false,
    );
  if (await isFolder()) return;
  if (dirname(path) !== path) await makeFolder(dirname(path));
  await mkdir(path).catch(async (error: unknown) => {
    // another process may have made it meanwhile
    if (await isFolder()) return;
    // a file stands there: "not a directory" says more than "exists"
    await stat(`${path}/`);
    throw error;
  });
};

/**
 * Writes a file so that a reader sees the old content or the new, never a part: temporary name, fsync, rename.
 * Creates the folder. On failure the temporary file is removed and `path` is untouched.
 */
export const writeAtomic = async (path: string, data: string | Uint8Array): Promise<void> => {
  await makeFolder(dirname(path));
  const temporary = temporaryName(path);
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
};

/** JSON with two-space indents and a final newline, written by {@link writeAtomic}. */
export const writeJson = (path: string, value: unknown): Promise<void> =>
  writeAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

/** SHA-256 of a file's bytes, hexadecimal. */
export const fileDigest = async (path: string): Promise<string> => {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return hash.digest('hex');
};

/** SHA-256 of a text or bytes, hexadecimal. */
export const digest = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex');
