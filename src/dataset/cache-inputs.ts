import { createHash, webcrypto } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault, reason } from '../fault.js';
import { fileDigest, writeAtomic } from '../files.js';
import { inOrder } from './in-order.js';

/** What a file was when its contents were hashed. */
export interface Input {
  /** Size, inode, and times of modification and change; `''` when these could not yet be trusted. */
  identity: string;
  /** SHA-256 of its contents, hexadecimal. */
  digest: string;
}

/** What a cache folder was built from. */
export interface Manifest {
  /** Every file of every patch, by its absolute path without symbolic links in its folders. */
  inputs: Map<string, Input>;
  /** SHA-256 over the folder's key and all contents. */
  digest: string;
}

/** Raise it when files of the same contents are read differently: caches are then built anew under their names. */
const version = 2;
const filesAtOnce = 64;
/** A file written within this time may be written again without its times showing it: coarse clocks of file systems. */
const settleMs = 2000;
/** Larger files are hashed in pieces. */
const wholeBytes = 2 ** 26;

const unreadable = (path: string, error: unknown): Fault =>
  new Fault(`data: ${path}; cannot be read (${reason(error)})`);

export const changedFault = (path: string): Fault =>
  new Fault(`data: ${path}; was changed while it was read; run again when it is finished`, 1);

/** Size, inode and times of a file: they differ whenever its contents may. The time of change cannot be set back. */
export const identityOf = async (
  path: string,
): Promise<{ identity: string; settled: boolean; bytes: number }> => {
  const { size, ino, mtimeNs, ctimeNs, mtimeMs, ctimeMs } = await stat(path, { bigint: true }).catch(
    (error: unknown) => {
      throw unreadable(path, error);
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
    throw unreadable(path, error);
  }
};

/**
 * A file's identity and digest: from `known` where the identity is the same, else from its contents.
 * @throws Fault when the file cannot be read, or changes meanwhile
 */
export const inputOf = async (path: string, known: Input | undefined): Promise<Input> => {
  const before = await identityOf(path);
  if (known && known.identity === before.identity) return known;
  const contents = await contentDigest(path, before.bytes);
  const after = await identityOf(path);
  if (after.identity !== before.identity) throw changedFault(path);
  return { identity: before.settled ? before.identity : '', digest: contents };
};

const pathOf = (folder: string): string => join(folder, 'inputs.json');

/** The digest of all contents, in the order of their paths. */
export const contentsDigest = (key: string, inputs: ReadonlyMap<string, Input>): string => {
  const hash = createHash('sha256').update(key);
  for (const path of [...inputs.keys()].sort()) hash.update(`\n${inputs.get(path)?.digest}`);
  return hash.digest('hex');
};

const isEntry = (value: unknown): value is [string, string, string] =>
  Array.isArray(value) && value.length === 3 && value.every((text) => typeof text === 'string');

/**
 * The manifest of a folder; null where there is none of this version, or where it is not of exactly `files` (which may
 * name one more than once), as after damage.
 */
export const readManifest = async (
  folder: string,
  key: string,
  files: Iterable<string>,
): Promise<Manifest | null> => {
  try {
    const stored = JSON.parse(await readFile(pathOf(folder), 'utf8')) as {
      version?: unknown;
      inputs?: unknown;
    };
    if (stored.version !== version || !Array.isArray(stored.inputs) || !stored.inputs.every(isEntry))
      return null;
    const inputs = new Map(
      stored.inputs.map(([path, identity, contents]): [string, Input] => [
        path,
        { identity, digest: contents },
      ]),
    );
    const found = new Set<Input | undefined>();
    for (const path of files) found.add(inputs.get(path));
    if (found.size !== inputs.size || found.has(undefined)) return null;
    return { inputs, digest: contentsDigest(key, inputs) };
  } catch {
    return null;
  }
};

export const writeManifest = (folder: string, { inputs }: Manifest): Promise<void> => {
  // in pieces: the text of all is of some megabytes
  const pieces = function* (): Generator<string> {
    yield `{"version":${version},"inputs":[`;
    let between = '';
    for (const [path, { identity, digest }] of inputs) {
      yield between + JSON.stringify([path, identity, digest]);
      between = ',';
    }
    yield ']}';
  };
  return writeAtomic(pathOf(folder), pieces());
};

/**
 * Brings a manifest up to date with the files: those of the same identity are taken as they are, others hashed again.
 *
 * @returns the manifest of now, and whether any entry was renewed
 * @throws Fault for a file that cannot be read
 */
export const refreshManifest = async (
  key: string,
  manifest: Manifest,
  signal?: AbortSignal,
): Promise<{ manifest: Manifest; renewed: boolean }> => {
  const changed = new Map<string, Input>();
  await inOrder(
    [...manifest.inputs.keys()],
    filesAtOnce,
    async (path) => {
      const known = manifest.inputs.get(path);
      const { identity } = await identityOf(path);
      return identity === known?.identity ? null : inputOf(path, undefined);
    },
    async (input, path) => {
      signal?.throwIfAborted();
      if (input) changed.set(path, input);
    },
  );
  if (changed.size === 0) return { manifest, renewed: false };
  const inputs = new Map([...manifest.inputs, ...changed]);
  return { manifest: { inputs, digest: contentsDigest(key, inputs) }, renewed: true };
};
