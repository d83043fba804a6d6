import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { readExperiment } from '../experiments/experiment.js';
import { Fault, reason, refuse } from '../fault.js';
import { digest, writeJson } from '../files.js';
import { changedSettings } from '../training/prepare-folder.js';
import { readResult } from '../training/result.js';
import { type RunFolder, runFolder } from '../training/run-folder.js';
import type { Trial } from './expand.js';

/** A sweep as it was submitted: nothing of it is read from experiment files again. */
export interface Manifest {
  format: 1;
  name: string;
  description: string;
  /** SHA-256 of the tags and resolved configurations of all trials. */
  fingerprint: string;
  created: string;
  data: {
    root: string;
    divide: string | null;
    /** SHA-256 of what was read, for each way of reading it. */
    digests: Record<string, string>;
  };
  /** Row that the others are compared with; null: chosen when the table is made. */
  baseline: string | null;
  trials: Trial[];
}

/** The files of a sweep beside its trials' folders. */
export interface SweepFolder {
  folder: string;
  manifest: string;
  /** What happened, a line each: starts, ends, failures, retries. */
  events: string;
  /** What a trial printed. */
  log: (trial: Trial) => string;
  trial: (trial: Trial) => RunFolder;
}

/** Where a sweep lies: `<outputDir>/<name>`, its trials beneath. */
export const sweepFolder = (name: string, outputDir = 'outputs'): SweepFolder => {
  const folder = resolve(outputDir, name);
  return {
    folder,
    manifest: join(folder, 'manifest.json'),
    events: join(folder, 'events.jsonl'),
    log: ({ tag }) => join(folder, 'logs', `${tag}.log`),
    trial: ({ tag }) => ({ ...runFolder(tag, folder), tag: `${name}/${tag}` }),
  };
};

/** SHA-256 of the configurations: what tells two sweeps apart. */
export const fingerprint = (trials: readonly Trial[]): string =>
  digest(JSON.stringify(trials.map(({ tag, experiment }) => [tag, experiment])));

const text = z.string();
const schema = z.object({
  format: z.literal(1),
  name: text,
  description: text,
  fingerprint: text,
  created: text,
  data: z.object({ root: text, divide: text.nullable(), digests: z.record(text, text) }),
  baseline: text.nullable(),
  trials: z.array(
    z.object({
      index: z.int().nonnegative(),
      tag: text,
      row: text,
      label: text,
      values: z.record(text, text),
      experiment: z.record(text, z.unknown()),
    }),
  ),
});

/** The first thing that is wrong with a document: `trials.0.tag: Invalid input…`. */
export const documentFault = ({ issues: [issue] }: z.ZodError): Error =>
  new Error(`${issue.path.join('.')}: ${issue.message}`);

/** Reads a manifest; null where there is none. @throws Fault when it is not whole or from another program */
export const readManifest = async (path: string): Promise<Manifest | null> => {
  const stored = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new Fault(`manifest: ${path}; cannot be read (${reason(error)})`);
  });
  if (stored === null) return null;
  try {
    const parsed = schema.safeParse(JSON.parse(stored));
    if (!parsed.success) throw documentFault(parsed.error);
    const manifest = parsed.data;
    const trials = manifest.trials.map((trial) => ({
      ...trial,
      experiment: readExperiment(trial.experiment),
    }));
    return { ...manifest, trials };
  } catch (error) {
    throw new Fault(`manifest: ${path}; not a whole manifest (${reason(error)}); --overwrite starts anew`);
  }
};

export const writeManifest = (path: string, manifest: Manifest): Promise<void> => writeJson(path, manifest);

const some = (tags: readonly string[]): string =>
  tags.length > 4 ? `${tags.slice(0, 3).join(', ')} and ${tags.length - 3} more` : tags.join(', ');

/** What differs between the trials that were submitted and those of now, the same change of many trials told once. */
export const changedTrials = (before: readonly Trial[], now: readonly Trial[]): string[] => {
  const [old, fresh] = [before, now].map((trials) => new Map(trials.map((trial) => [trial.tag, trial])));
  const changes = new Map<string, string[]>();
  for (const [tag, trial] of fresh) {
    const former = old.get(tag);
    const changed = former ? changedSettings(former.experiment, trial.experiment) : [];
    for (const change of changed) changes.set(change, [...(changes.get(change) ?? []), tag]);
  }
  const added = [...fresh.keys()].filter((tag) => !old.has(tag));
  const gone = [...old.keys()].filter((tag) => !fresh.has(tag));
  const lines = [...changes].map(
    ([change, tags]) => `${change} in ${tags.length === fresh.size ? 'every trial' : some(tags)}`,
  );
  if (added.length > 0) lines.push(`new: ${some(added)}`);
  if (gone.length > 0) lines.push(`no longer there: ${some(gone)}`);
  if (lines.length === 0 && before.length === now.length) lines.push('another order of the trials');
  return lines;
};

/** How many trials of a sweep have a valid result. */
export const countFinished = async (folder: SweepFolder, trials: readonly Trial[]): Promise<number> => {
  const results = await Promise.all(trials.map((trial) => readResult(folder.trial(trial).result)));
  return results.filter(Boolean).length;
};

/**
 * Whether a sweep may be run in its folder: what was submitted before comes back under `resume`.
 * @throws Fault where a sweep is there and neither option is given, or where its configuration is another
 */
export const inspectSweep = async (
  folder: SweepFolder,
  trials: readonly Trial[],
  { resume, overwrite }: { resume?: boolean; overwrite?: boolean },
): Promise<Manifest | null> => {
  if (overwrite) return null;
  const stored = await readManifest(folder.manifest);
  if (!stored) return null;
  if (!resume)
    throw new Fault(
      `sweep: ${stored.name}; ${folder.folder} holds it with ${await countFinished(folder, stored.trials)} of ${stored.trials.length} runs finished; --resume continues it, --overwrite starts anew, --output-dir puts another elsewhere`,
    );
  if (stored.fingerprint !== fingerprint(trials))
    refuse(
      changedTrials(stored.trials, trials).map(
        (change) =>
          `--resume: ${stored.name} was submitted with ${change}; use the same settings, or --overwrite`,
      ),
    );
  return stored;
};
