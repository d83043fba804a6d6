import { readFile, stat } from 'node:fs/promises';
import type { Aligner } from '../experiments/aligner.js';
import { digest } from '../files.js';
import { addressOf } from '../raster/byte-source.js';
import { sceneOutputs } from './scene-outputs.js';
import type { SceneRequest } from './scene-request.js';

/** Size and time of a local file; a URL stands for itself. */
const identity = async (path: string): Promise<unknown> => {
  if (addressOf(path) !== null) return path;
  const status = await stat(path).catch(() => null);
  return status && [path, status.size, status.mtimeMs];
};

/** Changes whenever the result of a request would: input, flags, weights or configuration. */
export const sceneFingerprint = async (
  request: SceneRequest,
  { weightsDigest, experiment }: Pick<Aligner, 'weightsDigest' | 'experiment'>,
): Promise<string> => {
  const others = [request.mask, request.scl, request.qa, request.grid].flatMap((path) =>
    path ? [path] : [],
  );
  const files = await Promise.all([...request.inputs, ...others].map(identity));
  return digest(JSON.stringify([Object.entries(request).sort(), files, weightsDigest, experiment]));
};

/** Whether a request was carried out before: its item is there, readable and of this request, and so is its COG. */
export const isApplied = async (
  request: SceneRequest,
  aligner: Pick<Aligner, 'weightsDigest' | 'experiment'>,
): Promise<boolean> => {
  const { item, cog } = sceneOutputs(request.out);
  try {
    const written = JSON.parse(await readFile(item, 'utf8')) as {
      properties: Record<string, unknown>;
      assets: Record<string, Record<string, unknown>>;
    };
    return (
      written.properties['bandalign:fingerprint'] === (await sceneFingerprint(request, aligner)) &&
      written.assets['aligned']['file:size'] === (await stat(cog)).size
    );
  } catch {
    return false;
  }
};
