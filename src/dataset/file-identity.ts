import { webcrypto } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { Fault, reason } from '../fault.js';
import { fileDigest } from '../files.js';

/** What a file was when its contents were hashed. */
export interface Input {
  /** Size, inode, and times of modification and change; `''` when these could not yet be trusted. */
  identity: string;
  /** SHA-256 of its contents, hexadecimal. */
  digest: string;
}

/** A file written within this time may be written again without its times showing it: coarse clocks of file systems. */
const settleMs = 2000;
/** Larger files are hashed in pieces. */
const wholeBytes = 2 ** 26;

const fileFault = (path: string, error: unknown): Fault =>
  new Fault(`data: ${path}; cannot be read (${reason(error)})`);

/** Size, inode and times of a file: they differ whenever its contents may. The time of change cannot be set back. */
export const identityOf = async (
  path: string,
): Promise<{ identity: string; settled: boolean; bytes: number }> => {
  const { size, ino, mtimeNs, ctimeNs, mtimeMs, ctimeMs } = await stat(path, { bigint: true }).catch(
    (error: unknown) => {
      throw fileFault(path, error);
    },
  );
  const newest = Math.max(Number(mtimeMs), Number(ctimeMs));
  return {
    identity: `${size}/${ino}/${mtimeNs}/${ctimeNs}`,
    settled: newest < Date.now() - settleMs,
    bytes: Number(size),
  };
};

const contentDigest = async (path: string, bytes: number): Promise<string> => {
  try {
    if (bytes > wholeBytes) return await fileDigest(path);
    // hashed in the thread pool, so that decoding goes on meanwhile
    return Buffer.from(await webcrypto.subtle.digest('SHA-256', await readFile(path))).toString('hex');
  } catch (error) {
    throw fileFault(path, error);
  }
};

/**
 * A file's identity and digest: from `known` where the identity is the same, else from its contents.
 * @throws Fault when the file cannot be read, or changes meanwhile
 */
export const inputOf = async (path: string, known: Input | undefined): Promise<Input> => {
  const before = await identityOf(path);
  if (known && known.identity === before.identity) return known;
  const digest = await contentDigest(path, before.bytes);
  const after = await identityOf(path);
  if (after.identity !== before.identity) throw changedFault(path);
  return { identity: before.settled ? before.identity : '', digest };
};

export const changedFault = (path: string): Fault =>
  new Fault(`data: ${path}; was changed while it was read; run again when it is finished`, 1);
