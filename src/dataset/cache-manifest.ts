import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digest, writeAtomic } from '../files.js';
import { type Input, identityOf, inputOf } from './file-identity.js';
import { inOrder } from './in-order.js';

/** What a cache folder was built from. */
export interface Manifest {
  /** Every file of every patch, sorted by path. */
  inputs: Map<string, Input>;
  /** SHA-256 over the folder's key and all contents. */
  digest: string;
}

/** Raise it when files of the same contents are read differently: caches are then built anew under their names. */
const version = 2;
const statsAtOnce = 64;
const pathOf = (folder: string): string => join(folder, 'inputs.json');

/** The digest of all contents, in the order of their paths. */
export const contentsDigest = (key: string, inputs: ReadonlyMap<string, Input>): string => {
  const lines = [...inputs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, input]) => input.digest);
  return digest([key, ...lines].join('\n'));
};

/** The manifest of a folder; null where there is none, or none of this version. */
export const readManifest = async (folder: string, key: string): Promise<Manifest | null> => {
  try {
    const stored = JSON.parse(await readFile(pathOf(folder), 'utf8')) as {
      version: number;
      inputs: [string, string, string][];
    };
    if (stored.version !== version) return null;
    const inputs = new Map(
      stored.inputs.map(([path, identity, digest]): [string, Input] => [path, { identity, digest }]),
    );
    return { inputs, digest: contentsDigest(key, inputs) };
  } catch {
    return null;
  }
};

export const writeManifest = (folder: string, { inputs }: Manifest): Promise<void> =>
  writeAtomic(
    pathOf(folder),
    JSON.stringify({
      version,
      inputs: [...inputs].map(([path, { identity, digest }]) => [path, identity, digest]),
    }),
  );

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
  const inputs = new Map<string, Input>();
  let renewed = false;
  await inOrder(
    [...manifest.inputs],
    statsAtOnce,
    async ([path, known]) => {
      const { identity } = await identityOf(path);
      return identity === known.identity ? known : inputOf(path, undefined);
    },
    async (input, [path, known]) => {
      signal?.throwIfAborted();
      renewed ||= input !== known;
      inputs.set(path, input);
    },
  );
  return { manifest: { inputs, digest: contentsDigest(key, inputs) }, renewed };
};
