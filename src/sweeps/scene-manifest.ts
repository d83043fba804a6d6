import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import type { Aligner } from '../experiments/aligner.js';
import type { Experiment } from '../experiments/experiment.js';
import { Fault, reason } from '../fault.js';
import { digest, safeName, writeJson } from '../files.js';
import type { SceneRequest } from '../scenes/scene-request.js';
import type { Task } from './executor.js';
import { documentFault } from './manifest.js';

/** A scene of a list. */
export interface SceneTask extends Task {
  request: SceneRequest;
}

/** A list of scenes as it was submitted: nothing of it is read from the list or the command line again. */
export interface SceneManifest {
  format: 1;
  /** SHA-256 of what follows. */
  fingerprint: string;
  weights: string;
  weightsDigest: string;
  /** Files that define the model, for one that is not the package's. */
  definitions?: Experiment['definitions'];
  /** `--set` words over the experiment of the weights. */
  settings: readonly string[];
  scenes: SceneTask[];
}

/** The files that keep a list's state. */
export interface SceneListFolder {
  folder: string;
  /** Named after its fingerprint, so that jobs of an earlier list go on reading theirs. */
  manifest: (fingerprint: string) => string;
  events: string;
  log: (task: Task) => string;
  /** Folder of one scene's result or failure. */
  scene: (task: Task) => string;
}

export const sceneListFolder = (folder: string): SceneListFolder => ({
  folder,
  manifest: (fingerprint) => join(folder, `manifest-${fingerprint.slice(0, 16)}.json`),
  events: join(folder, 'events.jsonl'),
  log: ({ tag }) => join(folder, 'logs', `${tag}.log`),
  scene: ({ tag }) => join(folder, tag),
});

/** A tag for each scene: its output's name under `out`, made fit for a file name. */
const tagsOf = (requests: readonly SceneRequest[], out: string): string[] => {
  const seen = new Map<string, number>();
  return requests.map((request) => {
    const stem = relative(out, request.out).replace(/\.tiff?$/i, '');
    const tag = safeName(stem, 'scene');
    // `logs` and `slurm` are the executors' own
    const count = (seen.get(tag) ?? (tag === 'logs' || tag === 'slurm' ? 1 : 0)) + 1;
    seen.set(tag, count);
    return count === 1 ? tag : `${tag}--${count}`;
  });
};

/** Freezes a list. */
export const sceneManifest = (
  requests: readonly SceneRequest[],
  out: string,
  weights: string,
  { weightsDigest, experiment: { definitions } }: Pick<Aligner, 'weightsDigest' | 'experiment'>,
  settings: readonly string[],
): SceneManifest => {
  const tags = tagsOf(requests, out);
  const scenes = requests.map((request, index) => ({ index, tag: tags[index], request }));
  const frozen = { weights, weightsDigest, ...(definitions && { definitions }), settings, scenes };
  return { format: 1, fingerprint: digest(JSON.stringify(frozen, withNaN)), ...frozen };
};

/** JSON has no NaN, which may be a scene's nodata. */
const withNaN = (_key: string, value: unknown): unknown => (Number.isNaN(value) ? 'NaN' : value);

export const writeSceneManifest = (path: string, manifest: SceneManifest): Promise<void> =>
  writeJson(path, JSON.parse(JSON.stringify(manifest, withNaN)));

/** What a manifest must have to be worked on; `scenes/` checks the requests as they are made. */
const schema = z.object({
  format: z.literal(1),
  fingerprint: z.string(),
  weights: z.string(),
  weightsDigest: z.string(),
  settings: z.array(z.string()),
  scenes: z.array(
    z.object({
      index: z.int().nonnegative(),
      // names a folder
      tag: z.string().regex(/^(?!\.)[^/\\\p{Cc}]+$/u),
      request: z.looseObject({ inputs: z.array(z.string()), out: z.string() }),
    }),
  ),
});

/** @throws Fault when there is none, or it is not whole or from another program */
export const readSceneManifest = async (path: string): Promise<SceneManifest> => {
  try {
    const parsed = schema.safeParse(
      JSON.parse(await readFile(path, 'utf8'), (key, value: unknown) =>
        key === 'nodata' && value === 'NaN' ? Number.NaN : value,
      ),
    );
    if (!parsed.success) throw documentFault(parsed.error);
    return parsed.data as SceneManifest;
  } catch (error) {
    throw new Fault(`manifest: ${path}; cannot be read (${reason(error)}): give the list again`);
  }
};
